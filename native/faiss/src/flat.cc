#include "flat.h"

#include <faiss/utils/distances.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "errors.h"
#include "file.h"
#include "groups.h"
#include "top.h"

extern "C" {
int sgemm_(const char* transa, const char* transb, int* m, int* n, int* k, const float* alpha, const float* a, int* lda,
           const float* b, int* ldb, float* beta, float* c, int* ldc);
int sgemv_(const char* trans, int* m, int* n, const float* alpha, const float* a, int* lda, const float* x, int* incx,
           const float* beta, float* y, int* incy);
}

namespace geo2 {
namespace {

constexpr size_t kBlockBytes = size_t{1} << 20;  // of vectors; a block and its scores stay in the second-level cache

bool aligned(const uint8_t* data) { return reinterpret_cast<uintptr_t>(data) % alignof(float) == 0; }

/// scores[q * count + i] = metric(query q, vector i)
void score(const float* block, int count, const float* queries, int n, int d, faiss::MetricType metric, float* scores) {
  if (metric == faiss::METRIC_L2) {
    for (int q = 0; q < n; ++q) {
      faiss::fvec_L2sqr_ny(scores + static_cast<size_t>(q) * count, queries + static_cast<size_t>(q) * d, block, d,
                           count);
    }
    return;
  }
  inner_products(block, count, queries, n, d, d, scores);
}

/// Computes the scores of n <= kQueryBlock queries with every selected row, block by block: calls use(from, count, scores), where
/// number from + i of the selection (of all rows, where it is null) has the scores[q * count + i].
template <typename Use>
void each_block(const FlatRows& flat, int n, const float* queries, const std::vector<Row>* members, Use use) {
  const size_t row_bytes = sizeof(float) * flat.dimension;
  const Row per_block = std::clamp<Row>(kBlockBytes / row_bytes, 1, 8192);
  const Row total = members == nullptr ? flat.count : static_cast<Row>(members->size());
  std::vector<float> copied, scores(static_cast<size_t>(std::min(per_block, std::max<Row>(total, 1))) * n);
  for (Row from = 0; from < total; from += per_block) {
    const Row count = std::min(per_block, total - from);
    const float* block = nullptr;
    if (members == nullptr && aligned(flat.data)) {
      block = reinterpret_cast<const float*>(flat.data + from * row_bytes);
    } else {
      copied.resize(static_cast<size_t>(count) * flat.dimension);
      if (members == nullptr) {
        std::memcpy(copied.data(), flat.data + from * row_bytes, count * row_bytes);
      } else {
        for (Row i = 0; i < count; ++i) {
          std::memcpy(copied.data() + i * flat.dimension, flat.data + (*members)[from + i] * row_bytes, row_bytes);
        }
      }
      block = copied.data();
    }
    score(block, static_cast<int>(count), queries, n, flat.dimension, flat.metric, scores.data());
    use(from, count, scores.data());
  }
}

/// Offers every selected row of `flat` to the tops of n <= kQueryBlock queries.
void scan(const FlatRows& flat, int n, const float* queries, const std::vector<Row>* members, std::vector<Top>& tops) {
  each_block(flat, n, queries, members, [&](Row from, Row count, const float* scores) {
    for (int q = 0; q < n; ++q) {
      const float* of_query = scores + static_cast<size_t>(q) * count;
      for (Row i = 0; i < count; ++i) {
        tops[q].offer(of_query[i], members == nullptr ? from + i : (*members)[from + i]);
      }
    }
  });
}

}  // namespace

void inner_products(const float* vectors, int count, const float* queries, int n, int d, int width, float* products) {
  float one = 1, zero = 0;
  int step = 1;
  if (n == 1) {
    sgemv_("T", &width, &count, &one, vectors, &width, queries, &step, &zero, products, &step);
  } else {
    sgemm_("T", "N", &count, &n, &width, &one, vectors, &width, queries, &d, &zero, products, &count);
  }
}

FlatRows rows_of(const faiss::IndexFlat& index) {
  return {reinterpret_cast<const uint8_t*>(index.get_xb()), index.ntotal, index.d, index.metric_type};
}

void search_rows(const FlatRows& flat, Row n, const float* queries, Row k, const std::vector<Row>* members,
                 float* distances, Row* labels) {
  for (Row from = 0; from < n; from += kQueryBlock) {
    const Row count = std::min(kQueryBlock, n - from);
    std::vector<Top> tops(count, Top(k, flat.metric));
    scan(flat, static_cast<int>(count), queries + from * flat.dimension, members, tops);
    for (Row q = 0; q < count; ++q) tops[q].write(distances + (from + q) * k, labels + (from + q) * k);
  }
}

void search_groups(const FlatRows& flat, Row n, const float* queries, Row rows_per_group,
                   const std::vector<Row>* members, TopGroups& top) {
  const Row total = members == nullptr ? flat.count : static_cast<Row>(members->size());
  std::vector<float> best(total, nothing(flat.metric));
  std::vector<int32_t> by(total, -1);
  const bool greater = flat.metric == faiss::METRIC_INNER_PRODUCT;
  for (Row first = 0; first < n; first += kQueryBlock) {
    const int count = static_cast<int>(std::min(kQueryBlock, n - first));
    each_block(flat, count, queries + first * flat.dimension, members, [&](Row from, Row rows, const float* scores) {
      float* const best_here = best.data() + from;
      int32_t* const by_here = by.data() + from;
      for (int q = 0; q < count; ++q) {
        const float* of_query = scores + static_cast<size_t>(q) * rows;
        const int32_t query = static_cast<int32_t>(first) + q;
        for (Row i = 0; i < rows; ++i) {  // without branches, so that it vectorises; false for NaN
          const bool nearer = greater ? of_query[i] > best_here[i] : of_query[i] < best_here[i];
          best_here[i] = nearer ? of_query[i] : best_here[i];
          by_here[i] = nearer ? query : by_here[i];
        }
      }
    });
  }
  for (Row i = 0; i < total; ++i) {
    const Row row = members == nullptr ? i : (*members)[i];
    if (by[i] >= 0) top.offer({best[i], row, by[i]}, row / rows_per_group);
  }
}

void search_dense(const faiss::IndexFlat& index, Row n, const float* queries, Row k, float* distances, Row* labels) {
  // One more than asked: when the last two are equal, rows with that distance may have been left out, and which ones is
  // an accident of FAISS's heap. Only then our own scan decides, by row.
  const Row asked = std::min<Row>(k + 1, index.ntotal);
  std::vector<float> found_distances(static_cast<size_t>(n) * asked);
  std::vector<Row> found_labels(static_cast<size_t>(n) * asked);
  index.search(n, queries, asked, found_distances.data(), found_labels.data());
  const FlatRows flat = rows_of(index);
  for (Row q = 0; q < n; ++q) {
    const float* of_query = found_distances.data() + q * asked;
    if (asked > k && of_query[k - 1] == of_query[k]) {
      search_rows(flat, 1, queries + q * index.d, k, nullptr, distances + q * k, labels + q * k);
      continue;
    }
    Top top(k, index.metric_type);
    for (Row i = 0; i < asked; ++i) {
      const Row label = found_labels[q * asked + i];
      if (label >= 0) top.offer(of_query[i], label);
    }
    top.write(distances + q * k, labels + q * k);
  }
}

std::unique_ptr<MappedFlat> MappedFlat::open(const std::string& path) {
  const OpenFile file(path);
  FlatHeader header;
  if (!read_flat_header(file, header)) return nullptr;
  void* mapping = mmap(nullptr, file.size(), PROT_READ, MAP_SHARED, file.descriptor(), 0);
  if (mapping == MAP_FAILED) fail(kIo, "Could not map ", path, " into memory: ", std::strerror(errno), ".");
  std::unique_ptr<MappedFlat> index(new MappedFlat(mapping, file.size()));
  index->d = header.dimension;
  index->ntotal = header.count;
  index->metric_type = header.metric;
  index->vectors_ = static_cast<const uint8_t*>(mapping) + header.size;
  return index;
}

MappedFlat::~MappedFlat() { munmap(mapping_, size_); }

std::unique_ptr<faiss::IndexFlat> MappedFlat::loaded() const {
  auto index = metric_type == faiss::METRIC_INNER_PRODUCT
                   ? std::unique_ptr<faiss::IndexFlat>(std::make_unique<faiss::IndexFlatIP>(d))
                   : std::unique_ptr<faiss::IndexFlat>(std::make_unique<faiss::IndexFlatL2>(d));
  constexpr Row per_step = 1024;
  std::vector<float> part;
  for (Row from = 0; from < ntotal; from += per_step) {
    const Row count = std::min(per_step, ntotal - from);
    part.resize(static_cast<size_t>(count) * d);
    std::memcpy(part.data(), vectors_ + sizeof(float) * d * from, part.size() * sizeof(float));
    index->add(count, part.data());
  }
  return index;
}

void MappedFlat::add(Row, const float*) { fail(kReadOnly, "This index is mapped from a file and cannot be changed."); }
void MappedFlat::reset() { fail(kReadOnly, "This index is mapped from a file and cannot be changed."); }

void MappedFlat::reconstruct(Row row, float* out) const {
  std::memcpy(out, vectors_ + sizeof(float) * d * row, sizeof(float) * d);
}

void MappedFlat::search(Row n, const float* x, Row k, float* distances, Row* labels,
                        const faiss::SearchParameters*) const {
  search_rows(rows(), n, x, k, nullptr, distances, labels);
}

}  // namespace geo2
