// Exact search by inner product in two steps: by the numbers that hold most of each vector, then the rest where it can matter.
#pragma once

#include <faiss/IndexFlat.h>
#include <faiss/VectorTransform.h>

#include <memory>
#include <vector>

#include "flat.h"
#include "groups.h"
#include "search.h"

namespace geo2 {

/// Of an index in memory: its rows along their principal axes, the first quarter of the numbers, and how long the rest is.
class Heads {
 public:
  /// Nothing where it would not pay: few or narrow rows, another metric, or rows whose heads hold too little.
  static std::unique_ptr<Heads> of(const faiss::Index& index);
  Row count() const { return static_cast<Row>(tails_.size()); }

  /// Offers `members` (null: all rows), ascending, as `search_groups` of all rows would as far as they can be among the k best groups:
  /// a product differs from that of the heads by no more than the product of the lengths of both tails.
  void search(const FlatRows& flat, const Search& asked, Row rows_per_group, const std::vector<Row>* members,
              TopGroups& top) const;

 private:
  explicit Heads(int d) : axes_(d, d) {}
  faiss::PCAMatrix axes_;
  int head_ = 0;
  std::vector<float> heads_;
  std::vector<float> tails_;
};

}  // namespace geo2
