// Groups of rows in inverted lists of floats.
#pragma once

#include <faiss/Index.h>

#include "groups.h"
#include "search.h"

namespace geo2 {

/// Whether `search_lists` can search it: an IndexIVFFlat with flat centres that compares by inner product, alone or behind transforms.
bool has_float_lists(const faiss::Index& index);

/// How many numbers of a vector its lists were made by: from there on every centre is 0. All, where they are not such lists.
int head_of(const faiss::Index& index);

/// Offers the rows of the `nprobe` lists that are nearest to any of the queries, each with its nearest query. Rows are compared by their
/// heads first, and k * rows_per_group of them whole. A selection whose lists would all be visited is found by the direct map instead,
/// where there is one.
void search_lists(const faiss::Index& index, const Search& asked, Row rows_per_group, TopGroups& top);

}  // namespace geo2
