# SPDX-License-Identifier: MIT
"""gdb-plugins.py: names Lichen's plugins in gdb.  docs/debugging.md says how.

A plugin is opened from a sealed copy in memory, which gdb knows as /proc/PID/fd/N.  Where code
of one is in a backtrace its frames say so ("crash_read [plugin crash]"), and two commands are
there:

    lichen-plugins              lists the plugins that are mapped, and where
    lichen-symbols FOLDER...    of a core file, whose process is gone: reads the symbols of the
                                plugins from FOLDER/NAME.so, where that is the same file
"""
import os
import re
import struct

import gdb
import gdb.FrameDecorator

# A line of `info proc mappings`: start, end, size, offset, (protection,) name.
LINE = re.compile(r"^\s*0x([0-9a-f]+)\s+0x([0-9a-f]+)\s.*/memfd:lichen:([^\s]+)")
BUILD_ID = 3  # the type of a note of owner "GNU"


def mappings():
    """(start, end, name) of each piece of a plugin that is mapped."""
    try:
        text = gdb.execute("info proc mappings", to_string=True)
    except gdb.error:
        return []
    found = [LINE.match(line) for line in text.splitlines()]
    return [(int(m[1], 16), int(m[2], 16), m[3]) for m in found if m]


def plugins():
    """{start: (end, name)}: pieces that follow one another are one plugin."""
    whole = []
    for start, end, name in sorted(mappings()):
        if whole and whole[-1][2] == name and whole[-1][1] == start:
            whole[-1] = (whole[-1][0], end, name)
        else:
            whole.append((start, end, name))
    return whole


class Cache:
    """The mappings change only while the process runs."""

    whole = None

    @classmethod
    def forget(cls, _event=None):
        cls.whole = None

    @classmethod
    def name(cls, address):
        if cls.whole is None:
            cls.whole = plugins()
        for start, end, name in cls.whole:
            if start <= address < end:
                return name
        return None


def build_id(notes):
    """The build ID in a PT_NOTE segment's bytes, or None."""
    at = 0
    while at + 12 <= len(notes):
        owner, size, kind = struct.unpack_from("<III", notes, at)
        body = at + 12 + (owner + 3) // 4 * 4
        if kind == BUILD_ID and notes[at + 12 : at + 16] == b"GNU\0":
            return notes[body : body + size]
        at = body + (size + 3) // 4 * 4
    return None


def elf_build_id(read):
    """That of an ELF file of 64 bits; read(offset, size) gives its bytes."""
    head = read(0, 64)
    if head[:5] != b"\x7fELF\x02":
        return None
    table, size, count = *struct.unpack_from("<Q", head, 32), *struct.unpack_from("<HH", head, 54)
    for i in range(count):
        kind, _flags, offset, _va, _pa, length = struct.unpack_from("<IIQQQQ", read(table + i * size, 56))
        found = build_id(read(offset, length)) if kind == 4 else None
        if found:
            return found
    return None


def id_in_memory(start):
    def read(offset, size):
        return bytes(gdb.selected_inferior().read_memory(start + offset, size))

    try:
        return elf_build_id(read)
    except (gdb.error, struct.error):
        return None


def id_of_file(path):
    try:
        with open(path, "rb") as file:
            def read(offset, size):
                file.seek(offset)
                return file.read(size)

            return elf_build_id(read)
    except (OSError, struct.error):
        return None


class Plugins(gdb.Command):
    """Lists the plugins that are mapped, and where."""

    def __init__(self):
        super().__init__("lichen-plugins", gdb.COMMAND_FILES)

    def invoke(self, argument, from_tty):
        for start, end, name in plugins():
            print(f"{start:#x} {end:#x} {name}")


class Symbols(gdb.Command):
    """Reads the symbols of plugins from FOLDER/NAME.so, where that is the same file."""

    def __init__(self):
        super().__init__("lichen-symbols", gdb.COMMAND_FILES, gdb.COMPLETE_FILENAME)

    def invoke(self, argument, from_tty):
        folders = gdb.string_to_argv(argument)
        for start, _end, name in plugins():
            wanted = id_in_memory(start)
            files = [os.path.join(folder, name + ".so") for folder in folders]
            same = [file for file in files if wanted and id_of_file(file) == wanted]
            if same:
                gdb.execute(f"add-symbol-file {same[0]} -o {start:#x}", to_string=True)
                print(f"{name}: {same[0]}")
            else:
                print(f"{name}: none of the files is the one that was loaded")


class Frame(gdb.FrameDecorator.FrameDecorator):
    def function(self):
        frame = self.inferior_frame()
        name = Cache.name(frame.pc())
        function = super().function()
        if name is None:
            return function
        # Without a symbol it is an address.
        return f"{hex(function) if isinstance(function, int) else function} [plugin {name}]"


class Filter:
    name = "lichen-plugins"
    priority = 100
    enabled = True

    def __init__(self):
        gdb.frame_filters[self.name] = self

    def filter(self, frames):
        return map(Frame, frames)


for event in (gdb.events.stop, gdb.events.new_objfile, gdb.events.exited):
    event.connect(Cache.forget)
Plugins()
Symbols()
Filter()
