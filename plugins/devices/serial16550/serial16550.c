/* SPDX-License-Identifier: MIT */
/*
 * serial16550: a 16550A UART, the serial port of a PC.
 *
 *	devices:
 *	  - { plugin: serial16550, port: 0x3f8, irq: 4, backend: { plugin: stdio } }
 *
 * Registers (offset from `port`; accesses of 1 byte, wider ones are split).
 * Sections are those of the PC16550D data sheet (National Semiconductor, June 1995):
 *	0  R	RBR, W THR; DLAB: DLL	(8.3)
 *	1	IER; DLAB: DLM		(8.7)
 *	2  R	IIR, W FCR		(8.6, 8.5)
 *	3	LCR			(8.1)
 *	4	MCR			(8.8)
 *	5  R	LSR			(8.4)
 *	6  R	MSR			(8.9)
 *	7	SCR			(8.10)
 *
 * A character goes to the backend as soon as it is written; what the backend
 * has no room for waits in the transmitter's FIFO, which is then not empty (LSR,
 * IIR) until there is room.  Characters are asked of the backend when the
 * receiver is empty, as many as it holds: it cannot overrun but in loopback.
 *
 * Limits: baud rate, word length and parity are stored and without effect; DMA
 * signalling (FCR bit 3) has no pins; the line's break control is ignored.
 */
#include <string.h>

#include <lichen/acpi.h>
#include <lichen/char.h>
#include <lichen/device.h>
#include <lichen/hardware.h>

#include "serial16550_regs.h"

enum { SERIAL_PORTS = 8, SERIAL_FIFO = 16, SERIAL_WIRE = 32 };

enum { FLOW_RTS = 0, FLOW_NONE = 1 };

struct serial16550 {
	struct lichen_dev dev;
	const struct lichen_link *backend;
	lichen_handle line;
	uint32_t irq;
	uint32_t flow; /* FLOW_... */
	uint16_t port;
	uint8_t plugged; /* 1: there was a backend when we were realized */

	/* Guarded by the instance lock, all that follows. */
	uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
	uint8_t errors;		    /* LSR_ERRORS not yet read */
	uint8_t deltas;		    /* MSR_DELTAS not yet read */
	uint8_t thr_fell;	    /* 1: THR ran empty and nobody read IIR since */
	uint16_t rx[SERIAL_FIFO];   /* oldest first; LSR_OF_CHARACTER << 8 | character */
	uint8_t tx[SERIAL_FIFO];    /* oldest first */
	uint16_t wire[SERIAL_WIRE]; /* sent by the peer, not yet received; as rx */
	uint32_t rx_count, tx_count, wire_count;
	uint32_t credit; /* what the backend may yet send; wire_count + credit <= SERIAL_WIRE */
};

static const char *const serial16550_flows[] = { "rts", "none" };

static const struct lichen_param serial16550_params[] = {
	LICHEN_PARAM(struct serial16550, port, .unit = LICHEN_UNIT_PORT,
		     .max = 0x10000 - SERIAL_PORTS, .fallback = 0x3f8,
		     .help = "first of eight I/O ports"),
	LICHEN_PARAM(struct serial16550, irq, .unit = LICHEN_UNIT_GSI, .fallback = 4,
		     .help = "interrupt line"),
	LICHEN_PARAM_AS(
		LICHEN_CHOICE, struct serial16550, flow,
		.choices = LICHEN_TABLE(serial16550_flows), .fallback = FLOW_RTS,
		.help = "when the peer may send: while the guest raises RTS, or always"),
};

static const struct lichen_field serial16550_state[] = {
	LICHEN_FIELD(struct serial16550, ier, .since = 1),
	LICHEN_FIELD(struct serial16550, fcr, .since = 1),
	LICHEN_FIELD(struct serial16550, lcr, .since = 1),
	LICHEN_FIELD(struct serial16550, mcr, .since = 1),
	LICHEN_FIELD(struct serial16550, scr, .since = 1),
	LICHEN_FIELD(struct serial16550, dll, .since = 1),
	LICHEN_FIELD(struct serial16550, dlm, .since = 1),
	LICHEN_FIELD(struct serial16550, errors, .since = 1, .help = "LSR bits 1 to 4"),
	LICHEN_FIELD(struct serial16550, deltas, .since = 1, .help = "MSR bits 0 to 3"),
	LICHEN_FIELD(struct serial16550, thr_fell, .since = 1,
		     .help = "the THRE interrupt is pending"),
	LICHEN_FIELD_ARRAY(struct serial16550, rx, .since = 1, .flags = LICHEN_FIELD_COUNTED,
			   .used = offsetof(struct serial16550, rx_count),
			   .help = "receiver's FIFO, error bits << 8 | character"),
	LICHEN_FIELD_ARRAY(struct serial16550, tx, .since = 1, .flags = LICHEN_FIELD_COUNTED,
			   .used = offsetof(struct serial16550, tx_count),
			   .help = "transmitter's FIFO"),
	LICHEN_FIELD_ARRAY(struct serial16550, wire, .since = 1,
			   .flags = LICHEN_FIELD_COUNTED | LICHEN_FIELD_STICKY,
			   .used = offsetof(struct serial16550, wire_count),
			   .help = "on the way to the receiver, as rx"),
};

static const struct lichen_need serial16550_needs[] = {
	{ LICHEN_STRUCT(struct lichen_need), .flags = LICHEN_NEED_OPTIONAL, .id = LICHEN_CHAR,
	  .key = "backend", .offset = offsetof(struct serial16550, backend),
	  .help = "where the line goes; without it output is dropped" },
	{ LICHEN_STRUCT(struct lichen_need), .id = LICHEN_IRQCHIP, .offset = LICHEN_NO_MEMBER },
};

/* Characters that the receiver, and likewise the transmitter, holds (8.5, FCR0). */
static uint32_t serial16550_depth(const struct serial16550 *s)
{
	return s->fcr & FCR_ENABLE ? SERIAL_FIFO : 1;
}

static uint32_t serial16550_trigger(const struct serial16550 *s)
{
	static const uint8_t levels[] = { 1, 4, 8, 14 }; /* 8.5, FCR6 and FCR7 */

	return s->fcr & FCR_ENABLE ? levels[s->fcr >> 6] : 1;
}

/*
 * What IIR reads as: the pending interrupt of highest priority (8.6, table IV).
 * The timeout interrupt tells of characters below the trigger level.  It comes
 * at once instead of after four character times: characters that arrive together
 * are together in the FIFO before the guest sees it, and the guest gains the wait.
 */
static uint8_t serial16550_iir(const struct serial16550 *s)
{
	uint8_t fifo = s->fcr & FCR_ENABLE ? IIR_FIFO : 0;

	if ((s->ier & IER_LINE) && s->errors)
		return fifo | IIR_LINE;
	if ((s->ier & IER_RECEIVED) && s->rx_count >= serial16550_trigger(s))
		return fifo | IIR_RECEIVED;
	if ((s->ier & IER_RECEIVED) && s->rx_count)
		return fifo | IIR_TIMEOUT;
	if ((s->ier & IER_EMPTY) && s->thr_fell)
		return fifo | IIR_EMPTY;
	if ((s->ier & IER_MODEM) && s->deltas)
		return fifo | IIR_MODEM;
	return fifo | IIR_NONE;
}

/* On a PC, OUT2 enables the driver of the line; loopback forces OUT2 off (8.8). */
static void serial16550_update_line(struct serial16550 *s)
{
	uint32_t enabled = (s->mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2;

	s->dev.host->line_set(s->dev.in, s->line, enabled && !(serial16550_iir(s) & IIR_NONE));
}

/* The inputs from the modem, as bits 4 to 7 of MSR; in loopback from MCR (8.8). */
static uint8_t serial16550_modem(const struct serial16550 *s)
{
	uint8_t modem = 0;

	if (!(s->mcr & MCR_LOOP))
		return s->plugged ? MSR_CTS | MSR_DSR | MSR_DCD : 0;
	modem |= s->mcr & MCR_RTS ? MSR_CTS : 0;
	modem |= s->mcr & MCR_DTR ? MSR_DSR : 0;
	modem |= s->mcr & MCR_OUT1 ? MSR_RI : 0;
	modem |= s->mcr & MCR_OUT2 ? MSR_DCD : 0;
	return modem;
}

/* Gives the backend what the transmitter holds.  A backend that is gone takes all. */
static void serial16550_transmit(struct serial16550 *s)
{
	const struct lichen_host *host = s->dev.host;
	uint32_t taken = 0;

	if (s->tx_count == 0)
		return;
	if (host->enter(s->dev.in, s->backend) < 0) {
		taken = s->tx_count;
	} else {
		const struct lichen_char_ops *ops = s->backend->ops;

		if (ops->write(s->backend->self, s->backend->client, s->tx, s->tx_count,
			       &taken) < 0) {
			taken = s->tx_count;
			host->log_guest(s->dev.in, LICHEN_LOG_WARN,
					"output is lost: the backend failed");
		}
		host->leave(s->dev.in, s->backend);
	}
	if (taken > s->tx_count)
		taken = s->tx_count;
	s->tx_count -= taken;
	memmove(s->tx, s->tx + taken, s->tx_count);
	if (s->tx_count == 0)
		s->thr_fell = 1;
}

/* The error bits of a character show in LSR when it is the next to be read (8.4). */
static void serial16550_reveal(struct serial16550 *s)
{
	if (s->rx_count == 0)
		return;
	s->errors |= (uint8_t)(s->rx[0] >> 8);
	s->rx[0] &= 0xff;
}

/* A character is complete in the receiver's shift register. */
static void serial16550_receive(struct serial16550 *s, uint16_t character)
{
	if (s->rx_count < serial16550_depth(s)) {
		s->rx[s->rx_count++] = character;
	} else {
		s->errors |= LSR_OVERRUN; /* 8.4: the FIFO stays, without it RBR goes */
		if (!(s->fcr & FCR_ENABLE))
			s->rx[0] = character;
	}
	if (s->rx_count == 1)
		serial16550_reveal(s);
}

/* Lets the peer's characters in, as far as there is room, and asks for more. */
static void serial16550_refill(struct serial16550 *s)
{
	const struct lichen_host *host = s->dev.host;
	uint32_t moved = 0;

	if (s->mcr & MCR_LOOP)
		return; /* the input is disconnected (8.8) */
	if (s->flow == FLOW_RTS && !(s->mcr & MCR_RTS))
		return;
	while (moved < s->wire_count && s->rx_count < serial16550_depth(s))
		serial16550_receive(s, s->wire[moved++]);
	s->wire_count -= moved;
	memmove(s->wire, s->wire + moved, s->wire_count * sizeof(s->wire[0]));

	/* Credit left may be on its way to us: new credit only once it is used up. */
	if (s->rx_count || s->credit || host->enter(s->dev.in, s->backend) < 0)
		return;
	const struct lichen_char_ops *ops = s->backend->ops;

	s->credit = serial16550_depth(s);
	ops->ask(s->backend->self, s->backend->client, s->credit);
	host->leave(s->dev.in, s->backend);
}

static uint8_t serial16550_read_data(struct serial16550 *s)
{
	uint8_t character;

	if (s->rx_count == 0)
		return 0;
	character = (uint8_t)s->rx[0];
	s->rx_count--;
	memmove(s->rx, s->rx + 1, s->rx_count * sizeof(s->rx[0]));
	serial16550_reveal(s);
	serial16550_refill(s);
	return character;
}

static void serial16550_write_data(struct serial16550 *s, uint8_t character)
{
	uint32_t waiting = s->tx_count;

	s->thr_fell = 0;
	if (s->mcr & MCR_LOOP) {
		serial16550_receive(s, character);
		s->thr_fell = waiting == 0;
		return;
	}
	if (waiting < serial16550_depth(s))
		s->tx[s->tx_count++] = character;
	else if (!(s->fcr & FCR_ENABLE))
		s->tx[0] = character; /* THR is overwritten; a full FIFO takes nothing */
	if (waiting == 0)
		serial16550_transmit(s); /* otherwise the backend will say WRITABLE */
}

static uint8_t serial16550_read_lsr(struct serial16550 *s)
{
	uint8_t lsr = s->errors, hidden = 0;

	if (s->rx_count)
		lsr |= LSR_READY;
	if (s->tx_count == 0)
		lsr |= LSR_EMPTY | LSR_IDLE;
	for (uint32_t i = 0; i < s->rx_count; i++)
		hidden |= (uint8_t)(s->rx[i] >> 8);
	if ((s->fcr & FCR_ENABLE) && ((s->errors | hidden) & LSR_OF_CHARACTER))
		lsr |= LSR_FIFO_ERROR;
	s->errors = 0;
	return lsr;
}

static void serial16550_write_fcr(struct serial16550 *s, uint8_t fcr)
{
	if (!(fcr & FCR_ENABLE))
		fcr = 0; /* the other bits are not programmed (8.5, FCR0) */
	if ((fcr ^ s->fcr) & FCR_ENABLE)
		fcr |= FCR_RESET_RX | FCR_RESET_TX;
	if (fcr & FCR_RESET_RX)
		s->rx_count = 0;
	if ((fcr & FCR_RESET_TX) && s->tx_count) {
		s->tx_count = 0;
		s->thr_fell = 1;
	}
	s->fcr = fcr & FCR_STORED;
	serial16550_refill(s);
}

static void serial16550_write_mcr(struct serial16550 *s, uint8_t mcr)
{
	uint8_t before = serial16550_modem(s), after;

	s->mcr = mcr & MCR_ALL;
	after = serial16550_modem(s);
	s->deltas |= (uint8_t)(((before ^ after) & ~MSR_RI & 0xff) >> 4);
	if (before & ~after & MSR_RI)
		s->deltas |= MSR_TRAILING_RI;
	serial16550_refill(s);
}

/* [vcpu, running] */
static uint64_t serial16550_read(void *self, uint64_t cookie, uint64_t off, uint32_t size)
{
	struct serial16550 *s = self;
	uint32_t dlab = s->lcr & LCR_DLAB;
	uint8_t value;

	(void)cookie, (void)size;
	switch (off) {
	case SERIAL_DATA:
		value = dlab ? s->dll : serial16550_read_data(s);
		break;
	case SERIAL_IER:
		value = dlab ? s->dlm : s->ier;
		break;
	case SERIAL_IIR:
		value = serial16550_iir(s);
		if ((value & IIR_SOURCE) == IIR_EMPTY)
			s->thr_fell = 0;
		break;
	case SERIAL_LCR:
		value = s->lcr;
		break;
	case SERIAL_MCR:
		value = s->mcr;
		break;
	case SERIAL_LSR:
		value = serial16550_read_lsr(s);
		break;
	case SERIAL_MSR:
		value = serial16550_modem(s) | s->deltas;
		s->deltas = 0;
		break;
	case SERIAL_SCR:
		value = s->scr;
		break;
	default:
		value = 0xff;
		break;
	}
	serial16550_update_line(s);
	return value;
}

/* [vcpu, running] */
static void serial16550_write(void *self, uint64_t cookie, uint64_t off, uint32_t size,
			      uint64_t value)
{
	struct serial16550 *s = self;
	uint32_t dlab = s->lcr & LCR_DLAB;
	uint8_t byte = (uint8_t)value;

	(void)cookie, (void)size;
	switch (off) {
	case SERIAL_DATA:
		if (dlab)
			s->dll = byte;
		else
			serial16550_write_data(s, byte);
		break;
	case SERIAL_IER:
		if (dlab) {
			s->dlm = byte;
			break;
		}
		/* Enabling it while THR is empty raises it (8.7); drivers start so. */
		if ((byte & ~s->ier & IER_EMPTY) && s->tx_count == 0)
			s->thr_fell = 1;
		s->ier = byte & IER_ALL;
		break;
	case SERIAL_IIR:
		serial16550_write_fcr(s, byte);
		break;
	case SERIAL_LCR:
		s->lcr = byte;
		break;
	case SERIAL_MCR:
		serial16550_write_mcr(s, byte);
		break;
	case SERIAL_SCR:
		s->scr = byte;
		break;
	case SERIAL_LSR: /* written in factory tests only (8.4) */
	case SERIAL_MSR:
	default:
		break;
	}
	serial16550_update_line(s);
}

static const struct lichen_io_ops serial16550_io = {
	LICHEN_STRUCT(struct lichen_io_ops),
	.read = serial16550_read,
	.write = serial16550_write,
};

static const struct lichen_window serial16550_windows[] = {
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "uart",
	  .size = SERIAL_PORTS, .access_sizes = 1, .ops = &serial16550_io,
	  .place = LICHEN_PLACE_PORT, .placed_by = "port" },
};

static void serial16550_received(struct serial16550 *s, const uint8_t *data, uint32_t size)
{
	if (size > s->credit)
		s->dev.host->log_guest(s->dev.in, LICHEN_LOG_WARN,
				       "the backend sent %u bytes, %u were asked for",
				       (unsigned)size, (unsigned)s->credit);
	s->credit -= size < s->credit ? size : s->credit;
	for (uint32_t i = 0; i < size && s->wire_count < SERIAL_WIRE; i++)
		s->wire[s->wire_count++] = data[i];
}

/* [control or io, running] OPENED and CLOSED leave the modem lines alone: a backend at the
 * end of its input says CLOSED too, and a guest that lost its carrier would stop writing. */
static void serial16550_event(void *self, uint64_t cookie, uint32_t event, const void *data,
			      uint32_t size)
{
	struct serial16550 *s = self;

	(void)cookie;
	switch (event) {
	case LICHEN_CHAR_RECEIVED:
		serial16550_received(s, data, size);
		break;
	case LICHEN_CHAR_WRITABLE:
		serial16550_transmit(s);
		break;
	case LICHEN_CHAR_BREAK: /* a null character with BI (8.4); breaks give way to bytes */
		if (s->wire_count + s->credit < SERIAL_WIRE)
			s->wire[s->wire_count++] = LSR_BREAK << 8;
		break;
	default:
		return;
	}
	serial16550_refill(s);
	serial16550_update_line(s);
}

/* [control, created] */
static lichen_status serial16550_realize(void *self)
{
	struct serial16550 *s = self;
	const struct lichen_host *host = s->dev.host;
	/* INTR is a level that falls when the guest has served it; the IOAPIC's input,
	 * edge-triggered for ISA, wants to see it rise. */
	const struct lichen_line line = { LICHEN_STRUCT(struct lichen_line), .gsi = s->irq,
					  .flags = LICHEN_LINE_LEVEL };

	if (host->enter(s->dev.in, s->backend) == 0) {
		s->plugged = 1;
		host->leave(s->dev.in, s->backend);
	}
	return host->line_claim(s->dev.in, &line, &s->line);
}

/* [control, realized or paused] Output that a restored state brought, and the first credit. */
static void serial16550_resume(void *self)
{
	struct serial16550 *s = self;

	serial16550_transmit(s);
	serial16550_refill(s);
	serial16550_update_line(s);
}

/* [control, paused] As MR does (table I).  What the peer has sent stays sent. */
static lichen_status serial16550_reset(void *self, uint32_t kind)
{
	struct serial16550 *s = self;

	s->ier = s->fcr = s->lcr = s->mcr = s->scr = s->dll = s->dlm = 0;
	s->errors = s->deltas = s->thr_fell = 0;
	s->rx_count = s->tx_count = 0;
	if (kind == LICHEN_RESET_POWER_ON)
		s->wire_count = 0;
	serial16550_update_line(s);
	return 0;
}

/* [control, realized or paused] */
static lichen_status serial16550_post_load(void *self, uint32_t from)
{
	struct serial16550 *s = self;
	const struct lichen_host *host = s->dev.host;
	uint32_t stray = 0;

	(void)from;
	if ((s->ier & ~IER_ALL) || (s->mcr & ~MCR_ALL) || (s->fcr & ~FCR_STORED) ||
	    (s->errors & ~LSR_ERRORS) || (s->deltas & ~MSR_DELTAS) || s->thr_fell > 1 ||
	    (s->fcr && !(s->fcr & FCR_ENABLE)) || (s->thr_fell && s->tx_count)) {
		host->error(s->dev.in, "registers: a value that the chip cannot hold");
		return -LICHEN_EBADMSG;
	}
	if (s->rx_count > serial16550_depth(s) || s->tx_count > serial16550_depth(s)) {
		host->error(s->dev.in, "rx %u, tx %u: more than the %u characters of a FIFO",
			    (unsigned)s->rx_count, (unsigned)s->tx_count,
			    (unsigned)serial16550_depth(s));
		return -LICHEN_EBADMSG;
	}
	if (s->wire_count > SERIAL_WIRE) {
		host->error(s->dev.in, "wire %u: above %d", (unsigned)s->wire_count,
			    SERIAL_WIRE);
		return -LICHEN_EBADMSG;
	}
	for (uint32_t i = 0; i < s->rx_count; i++)
		stray |= (uint32_t)s->rx[i] >> 8 & ~(uint32_t)LSR_OF_CHARACTER;
	for (uint32_t i = 0; i < s->wire_count; i++)
		stray |= (uint32_t)s->wire[i] >> 8 & ~(uint32_t)LSR_OF_CHARACTER;
	if (stray) {
		host->error(s->dev.in, "error bits 0x%x: not of a character", (unsigned)stray);
		return -LICHEN_EBADMSG;
	}
	serial16550_reveal(s);
	serial16550_update_line(s);
	return 0;
}

/* The number of the port among a PC's four; elsewhere the port itself is unique too. */
static uint32_t serial16550_uid(const struct serial16550 *s)
{
	switch (s->port) {
	case 0x3f8:
		return 1;
	case 0x2f8:
		return 2;
	case 0x3e8:
		return 3;
	case 0x2e8:
		return 4;
	default:
		return s->port;
	}
}

/* [control, realized or paused] */
static lichen_status serial16550_describe(void *self, uint64_t client, uint32_t index,
					  struct lichen_acpi_node *node)
{
	const struct serial16550 *s = self;

	(void)client;
	if (index > 0)
		return -LICHEN_ENOENT;
	node->hid = "PNP0501"; /* 16550A-compatible COM port */
	node->uid = serial16550_uid(s);
	node->ports[0] = (struct lichen_acpi_ports){ .base = s->port, .size = SERIAL_PORTS };
	node->gsis[0] = (struct lichen_acpi_gsi){
		.gsi = s->irq, .flags = LICHEN_ACPI_GSI_USED | LICHEN_ACPI_GSI_EDGE
	};
	return 0;
}

static const struct lichen_acpi_node_ops serial16550_acpi_node = {
	LICHEN_STRUCT(struct lichen_acpi_node_ops),
	.describe = serial16550_describe,
};

static const struct lichen_provide serial16550_provides[] = {
	LICHEN_PROVIDE(LICHEN_ACPI_NODE, serial16550_acpi_node),
};

static const struct lichen_class serial16550_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "16550A serial port",
	.instance_size = sizeof(struct serial16550),
	.state_version = 1,
	.params = LICHEN_TABLE(serial16550_params),
	.windows = LICHEN_TABLE(serial16550_windows),
	.state = LICHEN_TABLE(serial16550_state),
	.provides = LICHEN_TABLE(serial16550_provides),
	.needs = LICHEN_TABLE(serial16550_needs),
	.realize = serial16550_realize,
	.resume = serial16550_resume,
	.reset = serial16550_reset,
	.post_load = serial16550_post_load,
	.event = serial16550_event,
};

LICHEN_DEVICE_PLUGIN("serial16550", "0.1", serial16550_class);
