/* SPDX-License-Identifier: MIT */
/* profile_scalar.c: scalars, read and written as a parameter's declaration says. */
#include <stdlib.h>
#include <string.h>

#include "profile_tree.h"

static const struct {
	const char *name;
	uint64_t factor;
} scalar_sizes[] = { { "T", 1ull << 40 },
		     { "G", 1ull << 30 },
		     { "M", 1ull << 20 },
		     { "K", 1ull << 10 },
		     { "", 1 } },
  scalar_times[] = { { "min", 60000000000 },
		     { "s", 1000000000 },
		     { "ms", 1000000 },
		     { "us", 1000 },
		     { "ns", 1 } };

enum { SCALAR_SUFFIXES = 5 };

static const char *const scalar_bools[] = { "false", "true", "no", "yes", "off", "on" };

static int scalar_signed(uint32_t type)
{
	return type == LICHEN_S8 || type == LICHEN_S16 || type == LICHEN_S32 ||
	       type == LICHEN_S64;
}

static uint32_t scalar_bits(uint32_t type)
{
	switch (type) {
	case LICHEN_U8:
	case LICHEN_S8:
		return 8;
	case LICHEN_U16:
	case LICHEN_S16:
		return 16;
	case LICHEN_U32:
	case LICHEN_S32:
		return 32;
	default:
		return 64;
	}
}

void fw_scalar_bounds(const struct lichen_param *param, uint64_t *min, uint64_t *max)
{
	uint64_t top = UINT64_MAX >> (64 - scalar_bits(param->type));

	*min = param->min;
	*max = param->max;
	if (scalar_signed(param->type)) {
		top >>= 1;
		/* No bound given at all is the whole type, negative numbers too. */
		if (param->min == 0 && param->max == 0)
			*min = ~top;
		if (*max == 0)
			*max = top;
		return;
	}
	if (param->unit == LICHEN_UNIT_PORT && top > 0xffff)
		top = 0xffff;
	if (*max == 0 || *max > top)
		*max = top;
}

static const char *scalar_number_text(const struct lichen_param *param, uint64_t number,
				      int hex, char text[static FW_WHY_SIZE])
{
	if (hex && !scalar_signed(param->type))
		(void)snprintf(text, FW_WHY_SIZE, "0x%llx", (unsigned long long)number);
	else
		fw_scalar_write(param, number, text);
	return text;
}

static int scalar_below(const struct lichen_param *param, uint64_t a, uint64_t b)
{
	return scalar_signed(param->type) ? (int64_t)a < (int64_t)b : a < b;
}

static int scalar_check(const struct lichen_param *param, uint64_t number, int hex,
			char why[static FW_WHY_SIZE])
{
	char limit[FW_WHY_SIZE];
	uint64_t min, max;

	fw_scalar_bounds(param, &min, &max);
	if (scalar_below(param, number, min))
		(void)snprintf(why, FW_WHY_SIZE, "below %.64s",
			       scalar_number_text(param, min, hex, limit));
	else if (scalar_below(param, max, number))
		(void)snprintf(why, FW_WHY_SIZE, "above %.64s",
			       scalar_number_text(param, max, hex, limit));
	else
		return 0;
	return -1;
}

static int scalar_digit(char c, uint32_t base)
{
	int digit = -1;

	if (c >= '0' && c <= '9')
		digit = c - '0';
	else if (c >= 'a' && c <= 'f')
		digit = c - 'a' + 10;
	else if (c >= 'A' && c <= 'F')
		digit = c - 'A' + 10;
	return digit < (int)base ? digit : -1;
}

/*
 * Digits from *text on, which then points behind them.  0, -1: none, or a decimal
 * that starts with 0 (which other readers take as octal), 1: past 64 bits.
 */
static int scalar_digits(const char **text, int hex, uint64_t *number)
{
	const uint32_t base = hex ? 16 : 10;
	const char *c = *text + (hex ? 2 : 0);
	int over = 0;

	if (scalar_digit(*c, base) < 0)
		return -1;
	if (!hex && c[0] == '0' && scalar_digit(c[1], 10) >= 0)
		return -1;
	*number = 0;
	for (; scalar_digit(*c, base) >= 0; c++) {
		uint64_t digit = (uint64_t)scalar_digit(*c, base);

		if (*number > (UINT64_MAX - digit) / base)
			over = 1;
		*number = *number * base + digit;
	}
	*text = c;
	return over;
}

/* What the suffix multiplies by; 0: unknown. */
static uint64_t scalar_factor(const struct lichen_param *param, const char *suffix,
			      uint64_t number)
{
	if (param->unit == LICHEN_UNIT_NS && suffix[0] == '\0')
		return number == 0;
	for (uint32_t i = 0; i < SCALAR_SUFFIXES; i++) {
		if (param->unit == LICHEN_UNIT_BYTES &&
		    strcmp(suffix, scalar_sizes[i].name) == 0)
			return scalar_sizes[i].factor;
		if (param->unit == LICHEN_UNIT_NS && strcmp(suffix, scalar_times[i].name) == 0)
			return scalar_times[i].factor;
	}
	return suffix[0] == '\0';
}

static const char *scalar_expected(const struct lichen_param *param)
{
	switch (param->unit) {
	case LICHEN_UNIT_BYTES:
		return "not a size (a number, perhaps with K, M, G or T)";
	case LICHEN_UNIT_NS:
		return "not a time (a number with ns, us, ms, s or min)";
	default:
		return "not a number (decimal, or hexadecimal after 0x)";
	}
}

static int scalar_integer(const struct lichen_param *param, const char *text, uint64_t *number,
			  char why[static FW_WHY_SIZE])
{
	const int negative = text[0] == '-';
	const char *c = text + negative;
	const int hex = c[0] == '0' && (c[1] == 'x' || c[1] == 'X');
	char limit[FW_WHY_SIZE];
	uint64_t value, factor, min, max;
	int over = scalar_digits(&c, hex, &value);

	factor = over < 0 ? 0 : scalar_factor(param, c, value);
	if (factor == 0) {
		(void)snprintf(why, FW_WHY_SIZE, "%s", scalar_expected(param));
		return -1;
	}
	over |= value > UINT64_MAX / factor;
	value *= factor;
	fw_scalar_bounds(param, &min, &max);
	/* Past what 64 bits hold, on either side, is past any bound. */
	if (scalar_signed(param->type))
		over |= value > (uint64_t)INT64_MAX + (uint64_t)negative;
	if (over || (negative && value && !scalar_signed(param->type))) {
		(void)snprintf(why, FW_WHY_SIZE, "%s %.64s", negative ? "below" : "above",
			       scalar_number_text(param, negative ? min : max, hex, limit));
		return -1;
	}
	if (negative)
		value = 0 - value;
	if (scalar_check(param, value, hex || param->unit == LICHEN_UNIT_PORT, why))
		return -1;
	*number = value;
	return 0;
}

static int scalar_bool(const char *text, uint64_t *number, char why[static FW_WHY_SIZE])
{
	for (uint32_t i = 0; i < sizeof(scalar_bools) / sizeof(scalar_bools[0]); i++) {
		if (strcmp(text, scalar_bools[i]) != 0)
			continue;
		*number = i & 1;
		return 0;
	}
	(void)snprintf(why, FW_WHY_SIZE, "neither true nor false");
	return -1;
}

static int scalar_choice(const struct lichen_param *param, const char *text, uint64_t *number,
			 char why[static FW_WHY_SIZE])
{
	const char *const *names = param->choices.items;
	struct fw_nearest nearest = { .word = text };
	size_t used;

	for (uint32_t i = 0; i < param->choices.count; i++) {
		if (strcmp(text, names[i]) == 0) {
			*number = i;
			return 0;
		}
		fw_nearest_try(&nearest, names[i]);
	}
	used = (size_t)snprintf(why, FW_WHY_SIZE, "not one of");
	for (uint32_t i = 0; i < param->choices.count && used < FW_WHY_SIZE / 2; i++)
		used += (size_t)snprintf(why + used, FW_WHY_SIZE - used, "%s %.40s",
					 i ? "," : "", names[i]);
	if (nearest.best && used < FW_WHY_SIZE)
		(void)snprintf(why + used, FW_WHY_SIZE - used, ", did you mean %.40s",
			       nearest.best);
	return -1;
}

static int scalar_text(const struct lichen_param *param, const char *text,
		       char why[static FW_WHY_SIZE])
{
	size_t size = strlen(text);

	if (size < param->min)
		(void)snprintf(why, FW_WHY_SIZE, "shorter than %llu bytes",
			       (unsigned long long)param->min);
	else if (param->max && size > param->max)
		(void)snprintf(why, FW_WHY_SIZE, "%zu bytes: longer than %llu", size,
			       (unsigned long long)param->max);
	else
		return 0;
	return -1;
}

int fw_scalar_read(const struct lichen_param *param, const char *text, uint64_t *number,
		   char why[static FW_WHY_SIZE])
{
	switch (param->type) {
	case LICHEN_TEXT:
		*number = 0;
		return scalar_text(param, text, why);
	case LICHEN_FILE:
		*number = 0;
		if (text[0])
			return 0;
		(void)snprintf(why, FW_WHY_SIZE, "an empty path");
		return -1;
	case LICHEN_BOOL:
		return scalar_bool(text, number, why);
	case LICHEN_CHOICE:
		return scalar_choice(param, text, number, why);
	default:
		return scalar_integer(param, text, number, why);
	}
}

char *fw_list_next(const char **at)
{
	const char *item = *at;
	const size_t size = strcspn(item, "\n");

	if (!item[0])
		return NULL;
	*at += size + (item[size] == '\n');
	return strndup(item, size);
}

int fw_scalar_fits(const struct lichen_param *param, uint64_t number, const char *text)
{
	char why[FW_WHY_SIZE];

	switch (param->type) {
	case LICHEN_TEXT:
		return text && scalar_text(param, text, why) == 0;
	case LICHEN_FILE:
		return text != NULL;
	case LICHEN_BOOL:
		return number <= 1;
	case LICHEN_CHOICE:
		return number < param->choices.count;
	default:
		return scalar_check(param, number, 0, why) == 0;
	}
}

void fw_scalar_write(const struct lichen_param *param, uint64_t number,
		     char text[static FW_WHY_SIZE])
{
	const int negative = scalar_signed(param->type) && (int64_t)number < 0;
	unsigned long long size = negative ? 0 - number : number;
	const char *sign = negative ? "-" : "", *suffix = "";

	if (param->type == LICHEN_BOOL) {
		(void)snprintf(text, FW_WHY_SIZE, "%s", number ? "true" : "false");
		return;
	}
	if (param->type == LICHEN_CHOICE) {
		const char *const *names = param->choices.items;

		(void)snprintf(text, FW_WHY_SIZE, "%s",
			       number < param->choices.count ? names[number] : "");
		return;
	}
	if (param->unit == LICHEN_UNIT_PORT || param->unit == LICHEN_UNIT_GPA) {
		(void)snprintf(text, FW_WHY_SIZE, "%s0x%llx", sign, size);
		return;
	}
	for (uint32_t i = 0; size && i < SCALAR_SUFFIXES; i++) {
		const int bytes = param->unit == LICHEN_UNIT_BYTES;
		const uint64_t factor = bytes ? scalar_sizes[i].factor : scalar_times[i].factor;

		if ((bytes || param->unit == LICHEN_UNIT_NS) && size % factor == 0) {
			size /= factor;
			suffix = bytes ? scalar_sizes[i].name : scalar_times[i].name;
			break;
		}
	}
	(void)snprintf(text, FW_WHY_SIZE, "%s%llu%s", sign, size, suffix);
}
