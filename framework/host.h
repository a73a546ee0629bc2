/* SPDX-License-Identifier: MIT */
/*
 * host.h: the functions behind struct lichen_host, by the file that has them;
 * <lichen/host.h> says what each does.  host.c puts the table together.
 */
#ifndef FW_HOST_H
#define FW_HOST_H

#include <lichen/host.h>

/* link.c */
lichen_status fw_host_enter(struct lichen_instance *in, const struct lichen_link *link);
void fw_host_leave(struct lichen_instance *in, const struct lichen_link *link);
uint32_t fw_host_link_count(struct lichen_instance *in, uint32_t need);
const struct lichen_link *fw_host_link_at(struct lichen_instance *in, uint32_t need,
					  uint32_t index);
lichen_status fw_host_post(struct lichen_instance *in, uint64_t client, uint32_t event,
			   const void *data, uint32_t size);

/* host_window.c */
lichen_status fw_host_place_port(struct lichen_instance *in, uint32_t window, uint16_t port);
lichen_status fw_host_place_mmio(struct lichen_instance *in, uint32_t window,
				 lichen_space space, lichen_gpa gpa);
lichen_status fw_host_unplace(struct lichen_instance *in, uint32_t window);
lichen_status fw_host_doorbell_claim(struct lichen_instance *in,
				     const struct lichen_doorbell *bell, lichen_handle *handle);
void fw_host_doorbell_release(struct lichen_instance *in, lichen_handle handle);

/* host_interrupt.c */
lichen_status fw_host_line_claim(struct lichen_instance *in, const struct lichen_line *line,
				 lichen_handle *handle);
void fw_host_line_set(struct lichen_instance *in, lichen_handle handle, uint32_t level);
lichen_status fw_host_line_eventfd(struct lichen_instance *in, lichen_handle handle,
				   int32_t *trigger, int32_t *resample);
void fw_host_line_release(struct lichen_instance *in, lichen_handle handle);
lichen_status fw_host_message_claim(struct lichen_instance *in, lichen_handle *handle);
lichen_status fw_host_message_update(struct lichen_instance *in, lichen_handle handle,
				     const struct lichen_message *message);
void fw_host_message_mask(struct lichen_instance *in, lichen_handle handle, uint32_t mask);
uint32_t fw_host_message_pending(struct lichen_instance *in, lichen_handle handle);
void fw_host_message_send(struct lichen_instance *in, lichen_handle handle);
lichen_status fw_host_message_eventfd(struct lichen_instance *in, lichen_handle handle,
				      int32_t *trigger);
void fw_host_message_release(struct lichen_instance *in, lichen_handle handle);

/* host_memory.c */
lichen_status fw_host_memory_read(struct lichen_instance *in, lichen_space space,
				  lichen_gpa gpa, void *to, uint64_t size);
lichen_status fw_host_memory_write(struct lichen_instance *in, lichen_space space,
				   lichen_gpa gpa, const void *from, uint64_t size);
lichen_status fw_host_memory_map(struct lichen_instance *in, lichen_space space, lichen_gpa gpa,
				 uint64_t size, uint32_t access, struct lichen_map *map);
void fw_host_memory_unmap(struct lichen_instance *in, struct lichen_map *map, uint64_t written);
lichen_status fw_host_memory_range(struct lichen_instance *in, uint32_t index,
				   struct lichen_range *range);
lichen_status fw_host_memory_reserve(struct lichen_instance *in, lichen_gpa gpa, uint64_t size,
				     uint32_t type);
lichen_status fw_host_memory_listen(struct lichen_instance *in, lichen_space space);

/* host_time.c: clocks, timers, descriptors, threads */
uint64_t fw_host_clock_now(struct lichen_instance *in, uint32_t clock);
lichen_status fw_host_timer_create(struct lichen_instance *in, uint32_t clock, uint64_t cookie,
				   lichen_handle *handle);
void fw_host_timer_arm(struct lichen_instance *in, lichen_handle handle, uint64_t deadline);
void fw_host_timer_cancel(struct lichen_instance *in, lichen_handle handle);
void fw_host_timer_release(struct lichen_instance *in, lichen_handle handle);
lichen_status fw_host_watch(struct lichen_instance *in, int32_t descriptor, uint32_t events,
			    uint64_t cookie, lichen_handle *handle);
void fw_host_watch_update(struct lichen_instance *in, lichen_handle handle, uint32_t events);
void fw_host_watch_release(struct lichen_instance *in, lichen_handle handle);
lichen_status fw_host_thread_start(struct lichen_instance *in, const char *name,
				   uint64_t cookie);

/* window_memory.c */
lichen_status fw_host_window_read(struct lichen_instance *in, uint32_t window, uint64_t offset,
				  void *to, uint64_t size);
lichen_status fw_host_window_write(struct lichen_instance *in, uint32_t window, uint64_t offset,
				   const void *from, uint64_t size);
lichen_status fw_host_window_back(struct lichen_instance *in, uint32_t window,
				  int32_t descriptor, uint64_t offset, uint32_t access);
lichen_status fw_host_window_dirty(struct lichen_instance *in, uint32_t window, uint64_t *bits,
				   uint64_t words);

/* host_interface.c: what the host itself offers */
const void *fw_host_interface(struct lichen_instance *in, const char *id);

#endif
