/* SPDX-License-Identifier: MIT */
/*
 * i8042: the keyboard controller of a PC, with a keyboard on which nobody types
 * and an auxiliary port to which no mouse is attached.
 *
 *	devices:
 *	  - { plugin: i8042, irq: 1, aux_irq: 12 }
 *
 * Ports (accesses of 1 byte).  Names in quotes are headings of "Keyboard and
 * Auxiliary Device Controller" in the IBM PS/2 Hardware Interface Technical Reference:
 *	0x60 R	output buffer			"Output and Input Buffers"
 *	0x60 W	data of a command, or to the keyboard
 *	0x64 R	status				"Status Register"
 *	0x64 W	command				"Controller Commands"
 *
 * Guests use it to find a keyboard driver's hardware, to restart the machine
 * (command 0xfe, bit 0 of the output port) and to open the A20 gate.
 *
 * Limits: no key is ever pressed; the A20 bit is stored and A20 always open; a byte
 * for the auxiliary device is answered with 0xfe and the time-out bit at once, as the
 * controller does where no device takes it, which saves drivers their wait.
 */
#include <string.h>

#include <lichen/acpi.h>
#include <lichen/device.h>
#include <lichen/hardware.h>

enum { I8042_DATA = 0x60, I8042_COMMAND = 0x64, I8042_RAM = 32, I8042_KEYBOARD_FIFO = 16 };

enum { /* "Status Register" */
       STATUS_FULL = 0x01,
       STATUS_SYSTEM = 0x04,  /* self-test passed */
       STATUS_COMMAND = 0x08, /* the last write was to the command port */
       STATUS_UNLOCKED = 0x10,
       STATUS_AUXILIARY = 0x20, /* the output buffer's byte is the auxiliary device's */
       STATUS_TIMEOUT = 0x40,
};

enum { /* "Controller Command Byte", byte 0 of the controller's RAM */
       CONTROL_INTERRUPT = 0x01,
       CONTROL_AUXILIARY_INTERRUPT = 0x02,
       CONTROL_SYSTEM = 0x04,
       CONTROL_DISABLE = 0x10,
       CONTROL_AUXILIARY_DISABLE = 0x20,
       CONTROL_TRANSLATE = 0x40,
       CONTROL_STORED = 0x7f,
       /* As firmware leaves it where it finds no mouse. */
       CONTROL_FIRMWARE = CONTROL_INTERRUPT | CONTROL_SYSTEM | CONTROL_AUXILIARY_DISABLE |
			  CONTROL_TRANSLATE,
};

enum {				 /* "Controller Commands" */
       COMMAND_READ_RAM = 0x20,	 /* to 0x3f: byte 0 to 31 */
       COMMAND_WRITE_RAM = 0x60, /* to 0x7f */
       COMMAND_RAM_MASK = 0xe0,
       COMMAND_RAM_BYTE = I8042_RAM - 1,
       COMMAND_TEST_PASSWORD = 0xa4,
       COMMAND_DISABLE_AUXILIARY = 0xa7,
       COMMAND_ENABLE_AUXILIARY = 0xa8,
       COMMAND_TEST_AUXILIARY = 0xa9,
       COMMAND_SELF_TEST = 0xaa,
       COMMAND_TEST_KEYBOARD = 0xab,
       COMMAND_DISABLE_KEYBOARD = 0xad,
       COMMAND_ENABLE_KEYBOARD = 0xae,
       COMMAND_READ_INPUT = 0xc0,
       COMMAND_READ_OUTPUT = 0xd0,
       COMMAND_WRITE_OUTPUT = 0xd1,
       COMMAND_WRITE_KEYBOARD_BUFFER = 0xd2,
       COMMAND_WRITE_AUXILIARY_BUFFER = 0xd3,
       COMMAND_WRITE_AUXILIARY = 0xd4,
       COMMAND_READ_TEST_INPUTS = 0xe0,
       COMMAND_PULSE = 0xf0, /* to 0xff: bits 0 to 3 that are 0 pulse the output port */
       COMMAND_PULSE_MASK = 0xf0,
};

enum {
	OUTPUT_RUN = 0x01, /* 0 resets the machine */
	OUTPUT_A20 = 0x02,
	OUTPUT_FULL = 0x10,	      /* with a byte that is not the auxiliary device's */
	OUTPUT_AUXILIARY_FULL = 0x20, /* with one that is */
	OUTPUT_DERIVED = OUTPUT_FULL | OUTPUT_AUXILIARY_FULL,
	OUTPUT_KEYBOARD_DATA = 0x80,
	OUTPUT_FIRMWARE = OUTPUT_RUN | OUTPUT_A20 | OUTPUT_KEYBOARD_DATA,

	INPUT_UNLOCKED = 0x80,
	TEST_INPUTS_IDLE = 0x03, /* both clocks are high */

	SELF_TEST_PASSED = 0x55,
	INTERFACE_FINE = 0x00, /* a port's clock and data lines */
	NO_PASSWORD = 0xf1,
};

enum { /* "Keyboard" of the same book: commands and answers */
       KEYBOARD_LIGHTS = 0xed,
       KEYBOARD_ECHO = 0xee,
       KEYBOARD_SCAN_SET = 0xf0,
       KEYBOARD_IDENTIFY = 0xf2,
       KEYBOARD_RATE = 0xf3,
       KEYBOARD_ENABLE = 0xf4,
       KEYBOARD_DISABLE = 0xf5,
       KEYBOARD_DEFAULT = 0xf6,
       KEYBOARD_ALL_TYPEMATIC = 0xf7,
       KEYBOARD_ALL_MAKE_BREAK = 0xf8,
       KEYBOARD_ALL_MAKE = 0xf9,
       KEYBOARD_ALL_EACH = 0xfa,
       KEYBOARD_KEY_TYPEMATIC = 0xfb,
       KEYBOARD_KEY_MAKE_BREAK = 0xfc,
       KEYBOARD_KEY_MAKE = 0xfd,
       KEYBOARD_RESEND = 0xfe,
       KEYBOARD_RESET = 0xff,

       ANSWER_PASSED = 0xaa,
       ANSWER_ACK = 0xfa,
       ANSWER_RESEND = 0xfe,
       ANSWER_ID_0 = 0xab,
       ANSWER_ID_1 = 0x83,

       SCAN_SET_DEFAULT = 2,
};

struct i8042 {
	struct lichen_dev dev;
	lichen_handle line, aux_line;
	uint32_t irq, aux_irq; /* GSI */

	/* Guarded by the instance lock, all that follows. */
	uint8_t status;	 /* STATUS_..., without SYSTEM and UNLOCKED */
	uint8_t command; /* of the controller that waits for its data; 0: none */
	uint8_t output_port;
	uint8_t buffer; /* the output buffer */
	uint8_t ram[I8042_RAM];
	uint8_t aux_waits; /* 1: an answer of the auxiliary port waits for the output buffer */

	uint8_t keyboard[I8042_KEYBOARD_FIFO]; /* what it has to send, oldest first */
	uint32_t keyboard_count;
	uint8_t keyboard_command; /* that waits for its data; 0: none */
	uint8_t keyboard_last;	  /* byte sent */
	uint8_t scan_set;	  /* 1 to 3 */
};

static const struct lichen_param i8042_params[] = {
	LICHEN_PARAM(struct i8042, irq, .unit = LICHEN_UNIT_GSI, .fallback = 1,
		     .help = "interrupt line of the keyboard"),
	LICHEN_PARAM(struct i8042, aux_irq, .unit = LICHEN_UNIT_GSI, .fallback = 12,
		     .help = "interrupt line of the auxiliary port"),
};

static const struct lichen_field i8042_state[] = {
	LICHEN_FIELD(struct i8042, status, .since = 1),
	LICHEN_FIELD(struct i8042, command, .since = 1,
		     .help = "controller command that waits for data"),
	LICHEN_FIELD(struct i8042, output_port, .since = 1),
	LICHEN_FIELD(struct i8042, buffer, .since = 1, .help = "output buffer"),
	LICHEN_FIELD_ARRAY(struct i8042, ram, .since = 1, .help = "byte 0: command byte"),
	LICHEN_FIELD(struct i8042, aux_waits, .since = 1,
		     .help = "1: an answer of the auxiliary port waits for the output buffer"),
	LICHEN_FIELD_ARRAY(struct i8042, keyboard, .since = 1, .flags = LICHEN_FIELD_COUNTED,
			   .used = offsetof(struct i8042, keyboard_count),
			   .help = "bytes that the keyboard has to send"),
	LICHEN_FIELD(struct i8042, keyboard_command, .since = 1,
		     .help = "keyboard command that waits for data"),
	LICHEN_FIELD(struct i8042, keyboard_last, .since = 1),
	LICHEN_FIELD(struct i8042, scan_set, .since = 1),
};

static const struct lichen_need i8042_needs[] = {
	{ LICHEN_STRUCT(struct lichen_need), .id = LICHEN_IRQCHIP, .offset = LICHEN_NO_MEMBER },
};

/* --- the output buffer --- */

static void i8042_update_lines(struct i8042 *k)
{
	const uint32_t full = k->status & STATUS_FULL, aux = k->status & STATUS_AUXILIARY;

	k->dev.host->line_set(k->dev.in, k->line,
			      full && !aux && (k->ram[0] & CONTROL_INTERRUPT));
	k->dev.host->line_set(k->dev.in, k->aux_line,
			      full && aux && (k->ram[0] & CONTROL_AUXILIARY_INTERRUPT));
}

/* origin: STATUS_AUXILIARY and STATUS_TIMEOUT as they go with the byte. */
static void i8042_answer(struct i8042 *k, uint8_t byte, uint8_t origin)
{
	k->buffer = byte;
	k->status &= (uint8_t) ~(STATUS_AUXILIARY | STATUS_TIMEOUT);
	k->status |= STATUS_FULL | origin;
}

/* Scan codes of set 2 to set 1, for the bytes that our keyboard sends; those from 0x84 on
 * are the same in both. */
static uint8_t i8042_translate(uint8_t byte)
{
	switch (byte) {
	case 0x01:
		return 0x43;
	case 0x02:
	case ANSWER_ID_1:
		return 0x41;
	case 0x03:
		return 0x3f;
	default:
		return byte;
	}
}

/* Fills the output buffer, if it is empty, with the next byte that there is for it. */
static void i8042_take(struct i8042 *k)
{
	uint8_t byte = k->keyboard[0];

	if (k->status & STATUS_FULL)
		return;
	if (k->aux_waits) { /* the controller's own word: not stopped by a disabled port */
		k->aux_waits = 0;
		i8042_answer(k, ANSWER_RESEND, STATUS_AUXILIARY | STATUS_TIMEOUT);
		return;
	}
	if (k->keyboard_count == 0 || (k->ram[0] & CONTROL_DISABLE))
		return;
	k->keyboard_count--;
	memmove(k->keyboard, k->keyboard + 1, k->keyboard_count);
	k->keyboard_last = byte;
	i8042_answer(k, k->ram[0] & CONTROL_TRANSLATE ? i8042_translate(byte) : byte, 0);
}

/* --- the keyboard --- */

/* A guest that writes and never reads fills the FIFO; what it would have got then is lost. */
static void i8042_send(struct i8042 *k, uint8_t byte)
{
	if (k->keyboard_count < I8042_KEYBOARD_FIFO)
		k->keyboard[k->keyboard_count++] = byte;
}

/* The data byte of keyboard_command, which is over with it. */
static void i8042_keyboard_data(struct i8042 *k, uint8_t byte)
{
	uint8_t command = k->keyboard_command;

	k->keyboard_command = 0;
	i8042_send(k, ANSWER_ACK);
	if (command != KEYBOARD_SCAN_SET)
		return;
	if (byte == 0)
		i8042_send(k, k->scan_set);
	else if (byte <= 3)
		k->scan_set = byte;
}

static void i8042_keyboard_write(struct i8042 *k, uint8_t byte)
{
	k->ram[0] &= (uint8_t)~CONTROL_DISABLE; /* sending opens the keyboard's interface */
	if (k->keyboard_command && byte < KEYBOARD_LIGHTS) {
		i8042_keyboard_data(k, byte);
		return;
	}
	k->keyboard_command = 0; /* a command in place of data ends the earlier one */
	switch (byte) {
	case KEYBOARD_LIGHTS:
	case KEYBOARD_SCAN_SET:
	case KEYBOARD_RATE:
	case KEYBOARD_KEY_TYPEMATIC:
	case KEYBOARD_KEY_MAKE_BREAK:
	case KEYBOARD_KEY_MAKE:
		k->keyboard_command = byte;
		i8042_send(k, ANSWER_ACK);
		break;
	case KEYBOARD_ECHO:
		i8042_send(k, KEYBOARD_ECHO);
		break;
	case KEYBOARD_IDENTIFY:
		i8042_send(k, ANSWER_ACK);
		i8042_send(k, ANSWER_ID_0);
		i8042_send(k, ANSWER_ID_1);
		break;
	case KEYBOARD_DISABLE:
	case KEYBOARD_DEFAULT:
		k->scan_set = SCAN_SET_DEFAULT;
		i8042_send(k, ANSWER_ACK);
		break;
	case KEYBOARD_ENABLE:
	case KEYBOARD_ALL_TYPEMATIC:
	case KEYBOARD_ALL_MAKE_BREAK:
	case KEYBOARD_ALL_MAKE:
	case KEYBOARD_ALL_EACH:
		i8042_send(k, ANSWER_ACK);
		break;
	case KEYBOARD_RESEND:
		i8042_send(k, k->keyboard_last);
		break;
	case KEYBOARD_RESET:
		k->keyboard_count = 0;
		k->scan_set = SCAN_SET_DEFAULT;
		i8042_send(k, ANSWER_ACK);
		i8042_send(k, ANSWER_PASSED);
		break;
	default:
		i8042_send(k, ANSWER_RESEND);
		break;
	}
}

/* --- the controller --- */

static void i8042_write_output_port(struct i8042 *k, uint8_t value)
{
	k->output_port = value & (uint8_t)~OUTPUT_DERIVED;
	if (!(value & OUTPUT_RUN))
		k->dev.host->request_reset(k->dev.in, LICHEN_RESET_WARM);
}

static uint8_t i8042_read_output_port(const struct i8042 *k)
{
	if (!(k->status & STATUS_FULL))
		return k->output_port;
	return k->output_port |
	       (k->status & STATUS_AUXILIARY ? OUTPUT_AUXILIARY_FULL : OUTPUT_FULL);
}

/* The data byte of `command`, which is over with it. */
static void i8042_command_data(struct i8042 *k, uint8_t byte)
{
	uint8_t command = k->command;

	k->command = 0;
	if ((command & COMMAND_RAM_MASK) == COMMAND_WRITE_RAM) {
		k->ram[command & COMMAND_RAM_BYTE] = byte;
		k->ram[0] &= CONTROL_STORED;
		return;
	}
	switch (command) {
	case COMMAND_WRITE_OUTPUT:
		i8042_write_output_port(k, byte);
		break;
	case COMMAND_WRITE_KEYBOARD_BUFFER:
		i8042_answer(k, byte, 0);
		break;
	case COMMAND_WRITE_AUXILIARY_BUFFER:
		i8042_answer(k, byte, STATUS_AUXILIARY);
		break;
	case COMMAND_WRITE_AUXILIARY: /* nothing is attached that could take it */
		k->aux_waits = 1;
		break;
	default:
		break;
	}
}

static void i8042_command(struct i8042 *k, uint8_t command)
{
	k->command = 0;
	if ((command & COMMAND_RAM_MASK) == COMMAND_READ_RAM) {
		i8042_answer(k, k->ram[command & COMMAND_RAM_BYTE], 0);
		return;
	}
	if ((command & COMMAND_RAM_MASK) == COMMAND_WRITE_RAM) {
		k->command = command;
		return;
	}
	if ((command & COMMAND_PULSE_MASK) == COMMAND_PULSE) {
		if (!(command & OUTPUT_RUN)) /* what the other three bits pulse leads nowhere */
			k->dev.host->request_reset(k->dev.in, LICHEN_RESET_WARM);
		return;
	}
	switch (command) {
	case COMMAND_WRITE_OUTPUT:
	case COMMAND_WRITE_KEYBOARD_BUFFER:
	case COMMAND_WRITE_AUXILIARY_BUFFER:
	case COMMAND_WRITE_AUXILIARY:
		k->command = command;
		break;
	case COMMAND_DISABLE_AUXILIARY:
		k->ram[0] |= CONTROL_AUXILIARY_DISABLE;
		break;
	case COMMAND_ENABLE_AUXILIARY:
		k->ram[0] &= (uint8_t)~CONTROL_AUXILIARY_DISABLE;
		break;
	case COMMAND_TEST_PASSWORD:
		i8042_answer(k, NO_PASSWORD, 0);
		break;
	case COMMAND_TEST_AUXILIARY:
		i8042_answer(k, INTERFACE_FINE, 0);
		break;
	case COMMAND_SELF_TEST:
		k->ram[0] |= CONTROL_SYSTEM;
		i8042_answer(k, SELF_TEST_PASSED, 0);
		break;
	case COMMAND_TEST_KEYBOARD:
		i8042_answer(k, INTERFACE_FINE, 0);
		break;
	case COMMAND_DISABLE_KEYBOARD:
		k->ram[0] |= CONTROL_DISABLE;
		break;
	case COMMAND_ENABLE_KEYBOARD:
		k->ram[0] &= (uint8_t)~CONTROL_DISABLE;
		break;
	case COMMAND_READ_INPUT:
		i8042_answer(k, INPUT_UNLOCKED, 0);
		break;
	case COMMAND_READ_OUTPUT:
		i8042_answer(k, i8042_read_output_port(k), 0);
		break;
	case COMMAND_READ_TEST_INPUTS:
		i8042_answer(k, TEST_INPUTS_IDLE, 0);
		break;
	default:
		break;
	}
}

/* [vcpu, running] */
static uint64_t i8042_read(void *self, uint64_t cookie, uint64_t off, uint32_t size)
{
	struct i8042 *k = self;
	uint8_t value;

	(void)off, (void)size;
	switch (cookie) {
	case I8042_DATA:
		value = k->buffer;
		k->status &= (uint8_t) ~(STATUS_FULL | STATUS_AUXILIARY | STATUS_TIMEOUT);
		i8042_update_lines(k); /* falls, so that the next byte is a new edge */
		i8042_take(k);
		i8042_update_lines(k);
		return value;
	case I8042_COMMAND:
		return k->status | STATUS_UNLOCKED |
		       (k->ram[0] & CONTROL_SYSTEM ? STATUS_SYSTEM : 0);
	default:
		return 0xff;
	}
}

/* [vcpu, running] */
static void i8042_write(void *self, uint64_t cookie, uint64_t off, uint32_t size,
			uint64_t value)
{
	struct i8042 *k = self;
	uint8_t byte = (uint8_t)value;

	(void)off, (void)size;
	switch (cookie) {
	case I8042_DATA:
		k->status &= (uint8_t)~STATUS_COMMAND;
		if (k->command)
			i8042_command_data(k, byte);
		else
			i8042_keyboard_write(k, byte);
		break;
	case I8042_COMMAND:
		k->status |= STATUS_COMMAND;
		i8042_command(k, byte);
		break;
	default:
		return;
	}
	i8042_take(k);
	i8042_update_lines(k);
}

static const struct lichen_io_ops i8042_io = {
	LICHEN_STRUCT(struct lichen_io_ops),
	.read = i8042_read,
	.write = i8042_write,
};

static const struct lichen_window i8042_windows[] = {
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "data", .size = 1,
	  .access_sizes = 1, .ops = &i8042_io, .cookie = I8042_DATA, .place = LICHEN_PLACE_PORT,
	  .address = I8042_DATA },
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "command", .size = 1,
	  .access_sizes = 1, .ops = &i8042_io, .cookie = I8042_COMMAND,
	  .place = LICHEN_PLACE_PORT, .address = I8042_COMMAND },
};

/* --- lifecycle --- */

/* As firmware leaves it after its self-tests. */
static void i8042_begin(struct i8042 *k)
{
	k->status = k->command = k->buffer = k->aux_waits = 0;
	k->output_port = OUTPUT_FIRMWARE;
	memset(k->ram, 0, sizeof(k->ram));
	k->ram[0] = CONTROL_FIRMWARE;
	memset(k->keyboard, 0, sizeof(k->keyboard));
	k->keyboard_count = 0;
	k->keyboard_command = k->keyboard_last = 0;
	k->scan_set = SCAN_SET_DEFAULT;
}

/* [control, created] */
static lichen_status i8042_create(void *self)
{
	i8042_begin(self);
	return 0;
}

/* [control, created] */
static lichen_status i8042_realize(void *self)
{
	struct i8042 *k = self;
	/* A level that falls when the byte is read; the IOAPIC's input, edge-triggered for
	 * ISA, wants to see it rise. */
	struct lichen_line line = { LICHEN_STRUCT(struct lichen_line), .gsi = k->irq,
				    .flags = LICHEN_LINE_LEVEL };
	const lichen_status status = k->dev.host->line_claim(k->dev.in, &line, &k->line);

	if (status < 0)
		return status;
	line.gsi = k->aux_irq;
	return k->dev.host->line_claim(k->dev.in, &line, &k->aux_line);
}

/* [control, paused] kind: every reset is the same to us. */
static lichen_status i8042_reset(void *self, uint32_t kind)
{
	(void)kind;
	i8042_begin(self);
	i8042_update_lines(self);
	return 0;
}

/* [control, realized or paused] */
static lichen_status i8042_post_load(void *self, uint32_t from)
{
	struct i8042 *k = self;
	const struct lichen_host *host = k->dev.host;

	(void)from;
	if (k->scan_set < 1 || k->scan_set > 3) {
		host->error(k->dev.in, "scan_set %u: not 1 to 3", (unsigned)k->scan_set);
		return -LICHEN_EBADMSG;
	}
	if (k->keyboard_count > I8042_KEYBOARD_FIFO) {
		host->error(k->dev.in, "keyboard %u: above %d", (unsigned)k->keyboard_count,
			    I8042_KEYBOARD_FIFO);
		return -LICHEN_EBADMSG;
	}
	if ((k->status & ~(STATUS_FULL | STATUS_COMMAND | STATUS_AUXILIARY | STATUS_TIMEOUT)) ||
	    (k->ram[0] & ~CONTROL_STORED) || (k->output_port & OUTPUT_DERIVED) ||
	    k->aux_waits > (k->status & STATUS_FULL)) { /* it waits for nothing else */
		host->error(k->dev.in, "registers: a value that the chip cannot hold");
		return -LICHEN_EBADMSG;
	}
	i8042_update_lines(k);
	return 0;
}

/* [control, realized or paused] 0: the keyboard, to which the ports belong; 1: the port for
 * mice. */
static lichen_status i8042_describe(void *self, uint64_t client, uint32_t index,
				    struct lichen_acpi_node *node)
{
	const struct i8042 *k = self;

	(void)client;
	if (index > 1)
		return -LICHEN_ENOENT;
	node->hid = index ? "PNP0F13" : "PNP0303";
	node->gsis[0] = (struct lichen_acpi_gsi){
		.gsi = index ? k->aux_irq : k->irq,
		.flags = LICHEN_ACPI_GSI_USED | LICHEN_ACPI_GSI_EDGE,
	};
	if (index)
		return 0;
	node->boot_arch = LICHEN_ACPI_HAS_8042;
	node->ports[0] = (struct lichen_acpi_ports){ .base = I8042_DATA, .size = 1 };
	node->ports[1] = (struct lichen_acpi_ports){ .base = I8042_COMMAND, .size = 1 };
	return 0;
}

static const struct lichen_acpi_node_ops i8042_acpi_node = {
	LICHEN_STRUCT(struct lichen_acpi_node_ops),
	.describe = i8042_describe,
};

static const struct lichen_provide i8042_provides[] = {
	LICHEN_PROVIDE(LICHEN_ACPI_NODE, i8042_acpi_node),
};

static const struct lichen_class i8042_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "keyboard controller and a keyboard that nobody uses",
	.instance_size = sizeof(struct i8042),
	.state_version = 1,
	.params = LICHEN_TABLE(i8042_params),
	.windows = LICHEN_TABLE(i8042_windows),
	.state = LICHEN_TABLE(i8042_state),
	.provides = LICHEN_TABLE(i8042_provides),
	.needs = LICHEN_TABLE(i8042_needs),
	.create = i8042_create,
	.realize = i8042_realize,
	.reset = i8042_reset,
	.post_load = i8042_post_load,
};

LICHEN_DEVICE_PLUGIN("i8042", "0.1", i8042_class);
