// Exact search over rows of floats that lie one after another.
#pragma once

#include <faiss/Index.h>
#include <faiss/IndexFlat.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "rows.h"

namespace geo2 {

class TopGroups;

/// Rows of `dimension` floats; `data` need not be aligned, as in a mapped file whose header is 45 bytes long.
struct FlatRows {
  const uint8_t* data;
  Row count;
  int dimension;
  faiss::MetricType metric;
};

/// Queries that are compared at one time.
constexpr Row kQueryBlock = 64;

/// products[q * count + i]: of the first `width` numbers of query q, which lie `d` apart, with vector i, which has no more.
void inner_products(const float* vectors, int count, const float* queries, int n, int d, int width, float* products);

FlatRows rows_of(const faiss::IndexFlat& index);

/// The k best of `members` (null: of all rows) for each of n queries. Only the members are read and computed.
void search_rows(const FlatRows& flat, Row n, const float* queries, Row k, const std::vector<Row>* members,
                 float* distances, Row* labels);

/// Offers every one of `members` (null: all rows), ascending, with the nearest of n queries. Only the members are read and computed.
void search_groups(const FlatRows& flat, Row n, const float* queries, Row rows_per_group,
                   const std::vector<Row>* members, TopGroups& top);

/// The k best of all rows, by FAISS's own dense search.
void search_dense(const faiss::IndexFlat& index, Row n, const float* queries, Row k, float* distances, Row* labels);

/// A flat index whose vectors stay in a file that is mapped into memory: opening reads nothing, the pages are shared by
/// all processes that map the file, and nothing can be changed.
class MappedFlat final : public faiss::Index {
 public:
  /// Nothing when the file is not a flat index; throws ERR_FAISS_FILE_CORRUPT when it is a damaged one.
  static std::unique_ptr<MappedFlat> open(const std::string& path);
  ~MappedFlat() override;
  MappedFlat(const MappedFlat&) = delete;
  MappedFlat& operator=(const MappedFlat&) = delete;

  FlatRows rows() const { return {vectors_, ntotal, d, metric_type}; }
  /// The same index in memory.
  std::unique_ptr<faiss::IndexFlat> loaded() const;

  void add(Row n, const float* x) override;
  void reset() override;
  void reconstruct(Row row, float* out) const override;
  void search(Row n, const float* x, Row k, float* distances, Row* labels,
              const faiss::SearchParameters* params = nullptr) const override;

 private:
  MappedFlat(void* mapping, size_t size) : mapping_(mapping), size_(size) {}
  void* mapping_;
  size_t size_;
  const uint8_t* vectors_ = nullptr;
};

}  // namespace geo2
