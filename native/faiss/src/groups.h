// The k best of many groups of rows: a group is as near as its nearest pair of a row and a query.
#pragma once

#include <faiss/MetricType.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "rows.h"
#include "top.h"

namespace geo2 {

/// A row, and which query is nearest to it.
struct Pair {
  float distance;
  Row row;
  int32_t query;
};

/// Takes pairs group by group: those of one group follow one another.
class TopGroups {
 public:
  TopGroups(size_t k, faiss::MetricType metric) : k_(k), better_{Better(metric)} { kept_.reserve(k); }

  void offer(const Pair& pair, Row group) {
    if (group != group_) {
      close();
      group_ = group;
      nearest_ = pair;
    } else if (better_(pair, nearest_)) {
      nearest_ = pair;
    }
  }

  /// Best first, equal distances by row.
  std::vector<Pair> take() {
    close();
    std::sort_heap(kept_.begin(), kept_.end(), better_);
    return std::move(kept_);
  }

 private:
  struct BetterPair {
    Better better;
    bool operator()(const Pair& a, const Pair& b) const { return better({a.distance, a.row}, {b.distance, b.row}); }
  };

  void close() {
    if (group_ < 0) return;
    group_ = -1;
    if (kept_.size() == k_) {
      if (!better_(nearest_, kept_.front())) return;  // the front is the worst that is kept
      std::pop_heap(kept_.begin(), kept_.end(), better_);
      kept_.pop_back();
    }
    kept_.push_back(nearest_);
    std::push_heap(kept_.begin(), kept_.end(), better_);
  }

  size_t k_;
  BetterPair better_;
  Row group_ = -1;
  Pair nearest_{};
  std::vector<Pair> kept_;
};

}  // namespace geo2
