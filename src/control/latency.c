/*
 * latency.c: a histogram of times, as a type of the interface
 */
#include "latency.h"

#include "hist.h"

static json_t *
buckets_json(const struct hist *h)
{
	json_t *array = json_array();

	for (size_t i = 0; i < HIST_BUCKETS; i++)
		if (h->buckets[i] > 0)
			json_array_append_new(array,
			    json_pack("{s:I, s:I}", "upper_ns",
				(json_int_t)hist_upper(i), "count",
				(json_int_t)h->buckets[i]));
	return array;
}

json_t *
latency_json(const struct hist *h)
{
	static const struct {
		const char *name;
		unsigned int permille;
	} quantiles[] = {
#define QUANTILE(name, permille, heading) { #name, permille },
#include "quantiles.h"
#undef QUANTILE
	};
	json_t *object = json_pack("{s:I, s:I, s:I}", "count",
	    (json_int_t)h->count, "mean_ns", (json_int_t)hist_mean(h), "max_ns",
	    (json_int_t)h->max);

	for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
		json_object_set_new(object, quantiles[i].name,
		    json_integer((json_int_t)hist_quantile(h,
			quantiles[i].permille)));
	json_object_set_new(object, "buckets", buckets_json(h));
	return object;
}
