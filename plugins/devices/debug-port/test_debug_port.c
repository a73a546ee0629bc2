/* SPDX-License-Identifier: MIT */
#include <testhost.h>

#include "tap.h"

enum { PORT = 0xe9 };

static struct th *started(struct th_peer **peer)
{
	struct th *th = th_create("debug-port");

	*peer = th_peer(th);
	(*peer)->room = 1000;
	CHECK_EQ(0, th_start(th));
	return th;
}

static void check_got(const struct th_peer *peer, const char *text)
{
	CHECK_EQ(strlen(text), peer->size);
	CHECK(!memcmp(text, peer->data, peer->size));
}

TEST(bytes_go_to_the_backend)
{
	struct th_peer *peer;
	struct th *th = started(&peer);

	for (const char *c = "hello"; *c; c++)
		th_out(th, PORT, 1, (uint8_t)*c);
	check_got(peer, "hello");
	th_destroy(th);
}

TEST(a_read_says_that_it_is_there)
{
	struct th_peer *peer;
	struct th *th = started(&peer);

	CHECK_EQ(0xe9, th_in(th, PORT, 1));
	CHECK_EQ(0, peer->size);
	CHECK_EQ(0, peer->asked);
	th_destroy(th);
}

TEST(it_has_one_port)
{
	struct th_peer *peer;
	struct th *th = started(&peer);

	th_out(th, PORT, 4, 0x64636261);
	th_out(th, PORT + 1, 1, 'x');
	th_out(th, PORT - 1, 1, 'x');
	check_got(peer, "a");
	th_destroy(th);
}

TEST(the_port_parameter_moves_it)
{
	struct th *th = th_create("debug-port");
	struct th_peer *peer = th_peer(th);

	peer->room = 10;
	th_set(th, "port", 0x402);
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(0xff, th_in(th, PORT, 1));
	CHECK_EQ(0xe9, th_in(th, 0x402, 1));
	th_out(th, 0x402, 1, 'x');
	check_got(peer, "x");
	th_destroy(th);
}

TEST(what_the_backend_has_no_room_for_is_dropped)
{
	struct th_peer *peer;
	struct th *th = started(&peer);

	peer->room = 2;
	for (const char *c = "abcdef"; *c; c++)
		th_out(th, PORT, 1, (uint8_t)*c);
	check_got(peer, "ab");
	peer->room = 1000;
	th_peer_writable(th);
	th_out(th, PORT, 1, 'g');
	check_got(peer, "abg");
	th_destroy(th);
}

TEST(a_reset_keeps_it_in_place)
{
	struct th_peer *peer;
	struct th *th = started(&peer);

	CHECK_EQ(0, th_reset(th, LICHEN_RESET_WARM));
	th_out(th, PORT, 1, 'x');
	check_got(peer, "x");
	th_destroy(th);
}
