// The k best of many rows: best first, equal distances by row.
#pragma once

#include <faiss/MetricType.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "rows.h"

namespace geo2 {

struct Hit {
  float distance;
  Row row;
};

/// Whether `a` comes before `b`: greater inner product or smaller distance, then the smaller row.
class Better {
 public:
  explicit Better(faiss::MetricType metric) : greater_(metric == faiss::METRIC_INNER_PRODUCT) {}
  bool operator()(const Hit& a, const Hit& b) const {
    if (a.distance != b.distance) return greater_ ? a.distance > b.distance : a.distance < b.distance;
    return a.row < b.row;
  }

 private:
  bool greater_;
};

/// The distance that fills a place for which there is no row.
inline float nothing(faiss::MetricType metric) {
  const float infinity = std::numeric_limits<float>::infinity();
  return metric == faiss::METRIC_INNER_PRODUCT ? -infinity : infinity;
}

class Top {
 public:
  Top(size_t k, faiss::MetricType metric) : k_(k), metric_(metric), better_(metric) { hits_.reserve(k); }

  void offer(float distance, Row row) {
    if (distance != distance) return;  // NaN: finite vectors whose product overflows both ways
    const Hit hit{distance, row};
    if (hits_.size() < k_) {
      hits_.push_back(hit);
      std::push_heap(hits_.begin(), hits_.end(), better_);
    } else if (better_(hit, hits_.front())) {  // the front is the worst that is kept
      std::pop_heap(hits_.begin(), hits_.end(), better_);
      hits_.back() = hit;
      std::push_heap(hits_.begin(), hits_.end(), better_);
    }
  }

  /// Writes k places; those without a row get label -1.
  void write(float* distances, Row* labels) {
    std::sort_heap(hits_.begin(), hits_.end(), better_);
    for (size_t i = 0; i < k_; ++i) {
      distances[i] = i < hits_.size() ? hits_[i].distance : nothing(metric_);
      labels[i] = i < hits_.size() ? hits_[i].row : -1;
    }
  }

 private:
  size_t k_;
  faiss::MetricType metric_;
  Better better_;
  std::vector<Hit> hits_;
};

}  // namespace geo2
