// One search over any kind of index.
#pragma once

#include <faiss/Index.h>

#include <vector>

#include "groups.h"
#include "rows.h"

namespace geo2 {

/// FAISS 1.7.3 stops the walk through a graph at the efSearch of the search, but keeps only as many candidates as the
/// efSearch of the index says, so that an index with its default of 16 is never searched wider. Graphs in memory therefore
/// carry this one, and their own is passed with each search.
constexpr int kWidestSearch = 4096;

class Heads;

struct Search {
  std::vector<float> queries;  // count x d
  Row count = 0;
  Row k = 0;
  RowsPtr rows;      // null: all
  int nprobe = 0;     // 0: as the index has it
  int ef_search = 0;  // always given for a graph, and only for a graph
  int head = 0;       // `head_of` the index
};

struct Found {
  /// Places for each query: k, or fewer when the index or the selection has fewer rows.
  Row k = 0;
  /// count x k, best first, equal distances by label; a place without a row has label -1.
  std::vector<float> distances;
  std::vector<Row> labels;
};

Found search(const faiss::Index& index, const Search& asked);

/// Of each of the k best groups of `rows_per_group` rows, the nearest pair of a row and one of all the queries; best first. Of
/// lists of floats the rows in `nprobe` lists compete (`search_lists`); another index that is not flat is asked for
/// k rows_per_group rows of each query, and those compete.
/// `heads`: of the index, or null.
std::vector<Pair> search_groups(const faiss::Index& index, const Search& asked, Row rows_per_group, const Heads* heads);

}  // namespace geo2
