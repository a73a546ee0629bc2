/* SPDX-License-Identifier: MIT */
/* For cppcheck, which does not see jansson's headers: its loops, as they read. */
#define json_array_foreach(list, i, one) \
	for ((i) = 0; ((one) = json_array_get((list), (i))); (i)++)
#define json_object_foreach(map, key, one) while (((key) = json_next((map), &(one))))
