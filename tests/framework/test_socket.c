/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "socket.h"
#include "tap.h"

static char folder[64], path[80];

static void begin(void)
{
	strcpy(folder, "/tmp/lichen-socket-XXXXXX");
	CHECK(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/s", folder);
}

static void end(void)
{
	(void)unlink(path);
	CHECK_EQ(0, rmdir(folder));
}

static int listening(void)
{
	const char *why = NULL;
	const int file = fw_socket_listen(path, &why);

	if (file < 0)
		tap_fail("%s", why);
	return file;
}

static const char *listen_fails(void)
{
	const char *why = "none given";

	CHECK_EQ(-1, fw_socket_listen(path, &why));
	return why;
}

static const char *connect_fails(const char *to)
{
	const char *why = "none given";

	CHECK_EQ(-1, fw_socket_connect(to, &why));
	return why;
}

TEST(a_connection_carries_bytes_and_neither_end_blocks)
{
	const char *why = NULL;
	char got[4];

	begin();
	const int server = listening(), client = fw_socket_connect(path, &why);
	CHECK(client >= 0);
	const int accepted = accept4(server, NULL, NULL, SOCK_CLOEXEC);
	CHECK_EQ(2, write(client, "ab", 2));
	CHECK_EQ(2, read(accepted, got, sizeof(got)));
	CHECK_EQ(-1, read(client, got, sizeof(got)));
	CHECK_EQ(EAGAIN, errno);
	CHECK_EQ(-1, accept4(server, NULL, NULL, SOCK_CLOEXEC));
	CHECK_EQ(EAGAIN, errno);
	CHECK_EQ(FD_CLOEXEC, fcntl(server, F_GETFD));
	CHECK_EQ(FD_CLOEXEC, fcntl(client, F_GETFD));
	close(accepted);
	close(client);
	close(server);
	end();
}

TEST(the_name_is_for_its_owner_alone_whatever_the_umask)
{
	struct stat status;

	begin();
	umask(0);
	const int server = listening();
	CHECK_EQ(0, stat(path, &status));
	CHECK_EQ(0600, status.st_mode & 07777);
	close(server);
	end();
}

TEST(a_socket_that_a_dead_process_left_is_replaced)
{
	begin();
	int server = listening();
	close(server);
	server = listening();
	close(server);
	end();
}

TEST(a_socket_in_use_is_left_alone)
{
	const char *why;
	int client;

	begin();
	const int server = listening();
	CHECK_STR("in use", listen_fails());
	fw_socket_remove(path);
	client = fw_socket_connect(path, &why);
	CHECK(client >= 0);
	close(client);
	close(server);
	end();
}

TEST(what_is_no_socket_is_never_removed)
{
	begin();
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	CHECK_STR("in use", listen_fails());
	fw_socket_remove(path);
	CHECK_EQ(0, access(path, F_OK));
	CHECK_EQ(0, unlink(path));
	CHECK_EQ(0, symlink("elsewhere", path));
	CHECK_STR("in use", listen_fails());
	fw_socket_remove(path);
	CHECK_EQ(0, unlink(path));
	end();
}

TEST(a_name_whose_listener_went_is_removed)
{
	begin();
	close(listening());
	fw_socket_remove(path);
	CHECK_EQ(-1, access(path, F_OK));
	fw_socket_remove(path);
	end();
}

TEST(refusals_say_why)
{
	static char longer[200];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *why = NULL;

	begin();
	CHECK_STR("not found", connect_fails(path));
	memset(longer, 'a', sizeof(longer) - 1);
	CHECK_STR("longer than 107 bytes, which a socket's path may have",
		  connect_fails(longer));
	CHECK_EQ(-1, fw_socket_listen(longer, &why));
	CHECK(strstr(why, "107"));
	CHECK_EQ(-1, fw_socket_listen("/nosuch/s", &why));
	CHECK_STR("not found", why);
	close(listening());
	CHECK_STR("nobody listens there", connect_fails(path));
	CHECK_EQ(0, unlink(path));
	strcpy(address.sun_path, path);
	const int datagram = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(0, bind(datagram, (struct sockaddr *)&address, sizeof(address)));
	CHECK_STR("not a stream socket", connect_fails(path));
	CHECK_STR("in use", listen_fails());
	close(datagram);
	end();
}

TEST(a_full_queue_is_not_waited_for)
{
	int clients[32], count = 0;
	const char *why = NULL;

	begin();
	const int server = listening();
	while (count < 32 && (clients[count] = fw_socket_connect(path, &why)) >= 0)
		count++;
	CHECK(count < 32);
	CHECK_STR("the queue of who listens there is full", why);
	while (count > 0)
		close(clients[--count]);
	close(server);
	end();
}

TEST(a_locked_folder_is_waited_for_no_longer_than_a_second)
{
	begin();
	const int lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_EQ(0, flock(lock, LOCK_EX));
	CHECK_STR("its folder stays locked by another process", listen_fails());
	close(lock);
	close(listening());
	end();
}

/* Eight at a time over a stale name: one wins, the rest find it in use. */
TEST(of_many_that_start_at_once_one_listens)
{
	enum { COUNT = 8 };
	int go[2], stay[2], won = 0, status;
	pid_t children[COUNT];

	begin();
	close(listening());
	CHECK_EQ(0, pipe2(go, O_CLOEXEC));
	CHECK_EQ(0, pipe2(stay, O_CLOEXEC));
	fflush(stdout);
	for (int i = 0; i < COUNT; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			const char *why;
			char byte;

			close(go[1]);
			close(stay[1]);
			(void)!read(go[0], &byte, 1);
			const int file = fw_socket_listen(path, &why);
			if (file < 0)
				_exit(1);
			(void)!read(stay[0], &byte, 1);
			_exit(0);
		}
	}
	close(go[1]);
	for (int left = COUNT - 1; left > 0; left--)
		CHECK(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 1);
	close(stay[1]);
	CHECK(wait(&status) > 0);
	won += WIFEXITED(status) && WEXITSTATUS(status) == 0;
	CHECK_EQ(1, won);
	close(go[0]);
	close(stay[0]);
	end();
}
