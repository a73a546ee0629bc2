/* SPDX-License-Identifier: MIT */
/*
 * bench-stat: what pairs of measurements say.
 *
 *	bench-stat [--json FILE] [--meta KEY=VALUE]... [--no-bounds] FIGURE... <PAIRS
 *
 * A FIGURE is NAME,KIND,UNIT,BOUND,TEXT.  A line of PAIRS is NAME A B: A of the program that is
 * compared with, B of Lichen.  KIND says what is looked at: the ratio B / A, the difference
 * B - A, or the value B alone.  BOUND is the most that it may be, or "-".
 *
 * The interval is that of the median, by order statistics: from the k-th smallest to the k-th
 * largest, k the largest for which a binomial variable of n fair throws is below k with a
 * probability of at most 2.5 %.  Below 6 pairs there is none, and the range stands for it.
 * A bound holds where the interval's lower end does.  Exit status: 1 where one does not.
 */
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STAT_FIGURES = 16, STAT_PAIRS = 10000, STAT_PAIRS_FOR_INTERVAL = 6, STAT_WRONG = 2 };
enum stat_kind { STAT_RATIO = 0, STAT_DIFFERENCE = 1, STAT_VALUE = 2 };

static const char *const stat_kinds[] = { "ratio", "difference", "value" };

struct stat_figure {
	char *name, *unit, *text;
	enum stat_kind kind;
	double bound; /* NAN: none */
	uint32_t count;
	double a[STAT_PAIRS], b[STAT_PAIRS];
	/* What they come to; low and high: the interval's ends */
	double median_a, median_b, median, low, high;
	int holds;
};

struct stat {
	struct stat_figure *figures[STAT_FIGURES];
	uint32_t count;
	json_t *meta;
	const char *json;
	int no_bounds;
};

__attribute__((noreturn)) static void stat_fail(const char *what, const char *subject)
{
	fprintf(stderr, "bench-stat: %s: %s\n", subject, what);
	exit(STAT_WRONG);
}

static void stat_figure_add(struct stat *stat, const char *spec)
{
	char *part[5], *text = strdup(spec), *rest = text;
	struct stat_figure *figure = calloc(1, sizeof(*figure));
	uint32_t kind = 0;

	if (!text || !figure || stat->count == STAT_FIGURES)
		stat_fail("no room", spec);
	for (uint32_t i = 0; i < 5; i++) {
		part[i] = i < 4 ? strsep(&rest, ",") : rest;
		if (!part[i])
			stat_fail("want NAME,KIND,UNIT,BOUND,TEXT", spec);
	}
	while (kind < 3 && strcmp(part[1], stat_kinds[kind]) != 0)
		kind++;
	if (kind == 3)
		stat_fail("neither ratio, difference nor value", part[1]);
	figure->name = part[0];
	figure->kind = (enum stat_kind)kind;
	figure->unit = part[2];
	figure->bound = strcmp(part[3], "-") ? strtod(part[3], NULL) : (double)NAN;
	figure->text = part[4];
	stat->figures[stat->count++] = figure;
}

static void stat_meta_add(struct stat *stat, const char *pair)
{
	const char *equals = strchr(pair, '=');
	char *key = equals ? strndup(pair, (size_t)(equals - pair)) : NULL;

	if (!key || json_object_set_new(stat->meta, key, json_string(equals + 1)))
		stat_fail("want KEY=VALUE, in UTF-8", pair);
	free(key);
}

static void stat_read(struct stat *stat)
{
	char name[64];
	double a, b;
	int n;

	while ((n = scanf("%63s %lf %lf", name, &a, &b)) == 3) {
		uint32_t i = 0;

		while (i < stat->count && strcmp(stat->figures[i]->name, name) != 0)
			i++;
		if (i == stat->count)
			stat_fail("no such figure", name);
		if (stat->figures[i]->count == STAT_PAIRS)
			stat_fail("too many pairs", name);
		stat->figures[i]->a[stat->figures[i]->count] = a;
		stat->figures[i]->b[stat->figures[i]->count++] = b;
	}
	if (n != EOF)
		stat_fail("a line that is not NAME A B", "input");
}

static int stat_order(const void *x, const void *y)
{
	const double a = *(const double *)x, b = *(const double *)y;

	return (a > b) - (a < b);
}

/* The k of the text at the top, at least 1. */
static uint32_t stat_rank(uint32_t n)
{
	/* Probability of exactly i of n, and of at most i; by logarithms: 2^-n underflows. */
	double log_exact = -(double)n * log(2), below = 0;
	uint32_t k = 0;

	if (n < STAT_PAIRS_FOR_INTERVAL)
		return 1;
	for (;;) {
		below += exp(log_exact);
		if (below > 0.025)
			return k;
		log_exact += log((double)(n - k) / (double)(k + 1));
		k++;
	}
}

static double stat_median(const double *sorted, uint32_t n)
{
	return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
}

static double stat_median_of(const double *values, uint32_t n)
{
	double sorted[STAT_PAIRS];

	memcpy(sorted, values, n * sizeof(*values));
	qsort(sorted, n, sizeof(*sorted), stat_order);
	return stat_median(sorted, n);
}

static void stat_reckon(struct stat_figure *figure)
{
	const uint32_t n = figure->count, k = stat_rank(n);
	double sorted[STAT_PAIRS];

	for (uint32_t i = 0; i < n; i++) {
		const double a = figure->a[i], b = figure->b[i];

		sorted[i] = figure->kind == STAT_RATIO	      ? b / a
			    : figure->kind == STAT_DIFFERENCE ? b - a
							      : b;
	}
	qsort(sorted, n, sizeof(*sorted), stat_order);
	figure->median = stat_median(sorted, n);
	figure->low = sorted[k - 1];
	figure->high = sorted[n - k];
	figure->median_a = stat_median_of(figure->a, n);
	figure->median_b = stat_median_of(figure->b, n);
	figure->holds = isnan(figure->bound) || figure->low <= figure->bound;
}

static const char *stat_verdict(const struct stat_figure *figure)
{
	if (isnan(figure->bound))
		return "";
	return figure->holds ? "holds" : "MISSED";
}

static void stat_print(const struct stat *stat)
{
	printf("%-42s %5s %10s %10s %-4s %-10s %8s  %-19s %8s\n", "", "pairs", "other",
	       "lichen", "", "", "median", "95 % interval", "bound");
	for (uint32_t i = 0; i < stat->count; i++) {
		const struct stat_figure *figure = stat->figures[i];
		char bound[32] = "";

		if (!isnan(figure->bound))
			snprintf(bound, sizeof(bound), "%.2f", figure->bound);
		printf("%-42s %5u %10.2f %10.2f %-4s %-10s %8.2f  [%8.2f,%8.2f] %8s  %s\n",
		       figure->text, figure->count, figure->median_a, figure->median_b,
		       figure->unit, stat_kinds[figure->kind], figure->median, figure->low,
		       figure->high, bound, stat_verdict(figure));
	}
}

static json_t *stat_json(const struct stat_figure *figure)
{
	json_t *pairs = json_array();

	for (uint32_t i = 0; i < figure->count; i++)
		json_array_append_new(pairs, json_pack("[f,f]", figure->a[i], figure->b[i]));
	return json_pack("{s:s, s:s, s:s, s:s, s:i, s:f, s:f, s:f, s:[f,f], s:o, s:b, s:o}",
			 "name", figure->name, "text", figure->text, "kind",
			 stat_kinds[figure->kind], "unit", figure->unit, "count",
			 (int)figure->count, "median_other", figure->median_a, "median_lichen",
			 figure->median_b, "median", figure->median, "interval", figure->low,
			 figure->high, "bound",
			 isnan(figure->bound) ? json_null() : json_real(figure->bound), "holds",
			 figure->holds, "pairs", pairs);
}

static void stat_write(const struct stat *stat)
{
	json_t *figures = json_array(), *all;

	for (uint32_t i = 0; i < stat->count; i++)
		json_array_append_new(figures, stat_json(stat->figures[i]));
	all = json_pack("{s:O, s:o}", "machine", stat->meta, "figures", figures);
	if (!all || json_dump_file(all, stat->json, JSON_INDENT(1) | JSON_REAL_PRECISION(6)))
		stat_fail("cannot be written", stat->json);
	json_decref(all);
}

static void stat_options(struct stat *stat, int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", required_argument, NULL, 'j' },
		{ "meta", required_argument, NULL, 'm' },
		{ "no-bounds", no_argument, NULL, 'n' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'j':
			stat->json = optarg;
			break;
		case 'm':
			stat_meta_add(stat, optarg);
			break;
		case 'n':
			stat->no_bounds = 1;
			break;
		default:
			exit(STAT_WRONG);
		}
	}
	for (int i = optind; i < argc; i++)
		stat_figure_add(stat, argv[i]);
}

int main(int argc, char **argv)
{
	struct stat stat = { .meta = json_object() };
	int missed = 0;

	stat_options(&stat, argc, argv);
	stat_read(&stat);
	for (uint32_t i = 0; i < stat.count; i++) {
		if (stat.figures[i]->count == 0)
			stat_fail("no pair", stat.figures[i]->name);
		stat_reckon(stat.figures[i]);
		missed |= !stat.figures[i]->holds;
	}
	stat_print(&stat);
	if (stat.json)
		stat_write(&stat);
	for (uint32_t i = 0; i < stat.count; i++) {
		free(stat.figures[i]->name);
		free(stat.figures[i]);
	}
	json_decref(stat.meta);
	return missed && !stat.no_bounds;
}
