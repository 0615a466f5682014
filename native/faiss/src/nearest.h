// The nearest of several queries to each of many vectors, by inner product.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include "flat.h"
#include "rows.h"

namespace geo2 {

constexpr Row kBlock = 512;  // vectors that are compared at one time

/// Of each of some vectors the nearest query.
struct Nearest {
  explicit Nearest(size_t vectors) : product(vectors, -std::numeric_limits<float>::infinity()), query(vectors, -1) {}
  std::vector<float> product;
  std::vector<int32_t> query;

  /// products[q * vectors + i] of the queries from `first` on with vector from + i.
  void take(Row from, Row vectors, Row first, Row queries, const float* products) {
    float* const best = product.data() + from;
    int32_t* const by = query.data() + from;
    for (Row q = 0; q < queries; ++q) {
      const float* of_query = products + q * vectors;
      for (Row i = 0; i < vectors; ++i) {  // without branches, so that it vectorises; false for NaN
        const bool nearer = of_query[i] > best[i];
        best[i] = nearer ? of_query[i] : best[i];
        by[i] = nearer ? static_cast<int32_t>(first + q) : by[i];
      }
    }
  }
};

/// Compares `vectors`, of which `copy(i, to)` copies the first `width` numbers, with those of `count` queries, which lie `d` apart.
template <typename Copy>
Nearest compare(const float* queries, Row count, int d, Row vectors, int width, Copy copy) {
  Nearest nearest(vectors);
  std::vector<float> block(static_cast<size_t>(std::min(kBlock, std::max<Row>(vectors, 1))) * width);
  std::vector<float> products(static_cast<size_t>(kBlock) * std::min(kQueryBlock, count));
  for (Row from = 0; from < vectors; from += kBlock) {
    const Row rows = std::min(kBlock, vectors - from);
    for (Row i = 0; i < rows; ++i) copy(from + i, block.data() + i * width);
    for (Row first = 0; first < count; first += kQueryBlock) {
      const Row asked = std::min(kQueryBlock, count - first);
      inner_products(block.data(), static_cast<int>(rows), queries + first * d, static_cast<int>(asked), d, width,
                     products.data());
      nearest.take(from, rows, first, asked, products.data());
    }
  }
  return nearest;
}

/// The numbers of the `wanted` greatest of `values`, ascending.
inline std::vector<Row> places_of_greatest(const std::vector<float>& values, Row wanted) {
  std::vector<Row> places(values.size());
  std::iota(places.begin(), places.end(), Row{0});
  if (wanted < static_cast<Row>(places.size())) {
    const auto greater = [&](Row a, Row b) { return values[a] != values[b] ? values[a] > values[b] : a < b; };
    std::nth_element(places.begin(), places.begin() + wanted, places.end(), greater);
    places.resize(wanted);
    std::sort(places.begin(), places.end());
  }
  return places;
}

}  // namespace geo2
