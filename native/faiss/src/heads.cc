#include "heads.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "flat.h"
#include "nearest.h"

namespace geo2 {
namespace {

constexpr Row kFewestRows = 2048;
constexpr int kFewestNumbers = 64;
constexpr Row kFewestQueries = 8;
constexpr Row kTrainingRows = 4096;
constexpr Row kAtOnce = 4096;        // rows that are turned at one time
constexpr float kMostTail = 0.3f;    // mean length of the rows' tails beyond which too little could be left out
constexpr float kRounding = 1e-5f;   // what sums of products of unit vectors may be off

float length(const float* numbers, int count) {
  float sum = 0;
  for (int i = 0; i < count; ++i) sum += numbers[i] * numbers[i];
  return std::sqrt(sum);
}

/// The least of the k greatest values.
float kth_greatest(std::vector<float>& values, Row k) {
  std::nth_element(values.begin(), values.begin() + (k - 1), values.end(), std::greater<float>());
  return values[k - 1];
}

}  // namespace

std::unique_ptr<Heads> Heads::of(const faiss::Index& index) {
  const auto* flat = dynamic_cast<const faiss::IndexFlat*>(&index);
  const int d = index.d;
  if (flat == nullptr || index.metric_type != faiss::METRIC_INNER_PRODUCT || index.ntotal < kFewestRows ||
      d < kFewestNumbers || d % 4 != 0) {
    return nullptr;
  }
  std::unique_ptr<Heads> heads(new Heads(d));
  heads->head_ = d / 4;

  std::vector<float> training;  // each row with its opposite: their mean is 0, and nothing is shifted
  for (Row row = 0; row < index.ntotal; row += (index.ntotal + kTrainingRows - 1) / kTrainingRows) {
    const float* vector = flat->get_xb() + row * d;
    training.insert(training.end(), vector, vector + d);
    std::transform(vector, vector + d, std::back_inserter(training), std::negate<float>());
  }
  heads->axes_.train(static_cast<Row>(training.size()) / d, training.data());

  std::vector<float> turned(static_cast<size_t>(kAtOnce) * d);
  float longest = 0;
  double sum = 0;
  for (Row from = 0; from < index.ntotal; from += kAtOnce) {
    const Row count = std::min(kAtOnce, index.ntotal - from);
    heads->axes_.apply_noalloc(count, flat->get_xb() + from * d, turned.data());
    for (Row i = 0; i < count; ++i) {
      const float* vector = turned.data() + i * d;
      heads->heads_.insert(heads->heads_.end(), vector, vector + heads->head_);
      heads->tails_.push_back(length(vector + heads->head_, d - heads->head_));
      sum += heads->tails_.back();
      longest = std::max(longest, length(vector, d));
    }
  }
  const bool pays = sum <= kMostTail * index.ntotal && longest <= 1 + kRounding;  // what is off by rounding grows with the length
  return pays ? std::move(heads) : nullptr;
}

void Heads::search(const FlatRows& flat, const Search& asked, Row rows_per_group, const std::vector<Row>* members,
                   TopGroups& top) const {
  const int d = flat.dimension;
  const Row total = members == nullptr ? flat.count : static_cast<Row>(members->size());
  if (asked.count < kFewestQueries || total < kFewestRows) {
    return search_groups(flat, asked.count, asked.queries.data(), rows_per_group, members, top);
  }
  const auto row_of = [&](Row i) { return members == nullptr ? i : (*members)[i]; };
  std::vector<float> turned(asked.queries.size());
  axes_.apply_noalloc(asked.count, asked.queries.data(), turned.data());
  float tail = 0;
  float whole = 0;
  for (Row q = 0; q < asked.count; ++q) {
    tail = std::max(tail, length(turned.data() + q * d + head_, d - head_));
    whole = std::max(whole, length(turned.data() + q * d, d));
  }
  const Nearest rough = compare(turned.data(), asked.count, d, total, head_, [&](Row i, float* to) {
    std::memcpy(to, heads_.data() + row_of(i) * head_, sizeof(float) * head_);
  });

  // each group has a product of at least `least`, so that only rows that may reach the k-th of these can matter
  const float rounding = kRounding * whole;
  std::vector<float> least;
  Row group = -1;
  for (Row i = 0; i < total; ++i) {
    const float product = rough.product[i] - tail * tails_[row_of(i)] - rounding;
    if (row_of(i) / rows_per_group != group) {
      group = row_of(i) / rows_per_group;
      least.push_back(product);
    } else {
      least.back() = std::max(least.back(), product);
    }
  }
  const float enough = kth_greatest(least, std::min<Row>(asked.k, least.size()));
  std::vector<Row> candidates;
  for (Row i = 0; i < total; ++i) {
    if (rough.product[i] + tail * tails_[row_of(i)] + rounding >= enough) candidates.push_back(row_of(i));
  }
  search_groups(flat, asked.count, asked.queries.data(), rows_per_group, &candidates, top);
}

}  // namespace geo2
