#include "lists.h"

#include <faiss/IndexFlat.h>
#include <faiss/IndexIVFFlat.h>
#include <faiss/IndexPreTransform.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>
#include <typeinfo>
#include <vector>

#include "nearest.h"

namespace geo2 {
namespace {

constexpr Row kFewestCompared = 512;  // rows that are compared whole, however few are asked for
constexpr Row kReadAhead = 8;         // rows: they lie far apart

const faiss::IndexIVFFlat* float_lists(const faiss::Index& index) {
  const auto* outer = dynamic_cast<const faiss::IndexPreTransform*>(&index);
  const faiss::Index* inner = outer == nullptr ? &index : outer->index;
  const auto* lists = dynamic_cast<const faiss::IndexIVFFlat*>(inner);
  if (lists == nullptr || typeid(*lists) != typeid(faiss::IndexIVFFlat)) return nullptr;
  const auto* centres = dynamic_cast<const faiss::IndexFlat*>(lists->quantizer);
  const bool by_product = lists->metric_type == faiss::METRIC_INNER_PRODUCT && centres != nullptr &&
                          centres->metric_type == faiss::METRIC_INNER_PRODUCT;
  return by_product ? lists : nullptr;
}

/// Queries as the lists have their rows: count x d.
class Queries {
 public:
  Queries(const faiss::Index& index, Row count, const float* given) : count(count), data(given) {
    const auto* outer = dynamic_cast<const faiss::IndexPreTransform*>(&index);
    if (outer == nullptr || outer->chain.empty()) return;
    data = outer->apply_chain(count, given);
    owned_.reset(data);
  }
  const Row count;
  const float* data;

 private:
  std::unique_ptr<const float[]> owned_;
};

/// Rows, and where their vectors are.
struct Rowset {
  std::vector<Row> rows;
  std::vector<const uint8_t*> vectors;
  void push(Row row, const uint8_t* vector) {
    rows.push_back(row);
    vectors.push_back(vector);
  }
};

void take_list(const faiss::IndexIVFFlat& lists, Row list, const Rows* selected, Rowset& taken) {
  const size_t size = lists.invlists->list_size(list);
  const Row* labels = lists.invlists->get_ids(list);
  const uint8_t* codes = lists.invlists->get_codes(list);
  for (size_t i = 0; i < size; ++i) {
    Row row = 0;
    std::memcpy(&row, labels + i, sizeof row);  // a mapped list need not be aligned
    if (selected == nullptr || selected->is_member(row)) taken.push(row, codes + i * lists.code_size);
  }
}

void take_selection(const faiss::IndexIVFFlat& lists, const Rows& selected, Rowset& taken) {
  std::vector<Row> members;
  selected.collect(static_cast<Row>(lists.direct_map.array.size()), members);
  for (const Row row : members) {
    const Row entry = lists.direct_map.array[row];
    if (entry < 0) continue;
    taken.push(row, lists.invlists->get_codes(faiss::lo_listno(entry)) + faiss::lo_offset(entry) * lists.code_size);
  }
}

std::vector<Row> nearest_lists(const faiss::IndexIVFFlat& lists, const Queries& queries, int head, Row nprobe) {
  const float* centres = static_cast<const faiss::IndexFlat*>(lists.quantizer)->get_xb();
  const Row nlist = static_cast<Row>(lists.nlist);
  const Nearest nearest = compare(queries.data, queries.count, lists.d, nlist, head, [&](Row list, float* to) {
    std::memcpy(to, centres + list * lists.d, sizeof(float) * head);
  });
  return places_of_greatest(nearest.product, nprobe);
}

}  // namespace

bool has_float_lists(const faiss::Index& index) { return float_lists(index) != nullptr; }

int head_of(const faiss::Index& index) {
  const faiss::IndexIVFFlat* lists = float_lists(index);
  if (lists == nullptr) return index.d;
  if (lists->quantizer->ntotal == 0) return lists->d;  // the outer index may be wider
  const auto* centres = static_cast<const faiss::IndexFlat*>(lists->quantizer);
  int head = 1;
  for (Row list = 0; list < centres->ntotal; ++list) {
    const float* centre = centres->get_xb() + list * lists->d;
    for (int i = lists->d; i > head; --i) {
      if (centre[i - 1] != 0) head = i;
    }
  }
  return head;
}

void search_lists(const faiss::Index& index, const Search& asked, Row rows_per_group, TopGroups& top) {
  const faiss::IndexIVFFlat& lists = *float_lists(index);
  const Queries queries(index, asked.count, asked.queries.data());
  const Row nprobe = asked.nprobe > 0 ? asked.nprobe : static_cast<Row>(lists.nprobe);
  const bool is_mapped_by_row = lists.direct_map.type == faiss::DirectMap::Array;

  Rowset taken;
  if (asked.rows != nullptr && nprobe >= static_cast<Row>(lists.nlist) && is_mapped_by_row) {
    take_selection(lists, *asked.rows, taken);
  } else {
    for (const Row list : nearest_lists(lists, queries, asked.head, nprobe)) {
      take_list(lists, list, asked.rows.get(), taken);
    }
  }

  const Row count = static_cast<Row>(taken.rows.size());
  const auto copy = [&](Row i, float* to, int width) {
    if (i + kReadAhead < count) {
      for (int at = 0; at < width; at += 16) __builtin_prefetch(taken.vectors[i + kReadAhead] + sizeof(float) * at);
    }
    std::memcpy(to, taken.vectors[i], sizeof(float) * width);
  };
  Nearest nearest =
      compare(queries.data, queries.count, lists.d, count, asked.head, [&](Row i, float* to) { copy(i, to, asked.head); });
  const Row compared = std::max(kFewestCompared, std::min(asked.k, count) * rows_per_group);
  std::vector<Row> places = places_of_greatest(nearest.product, compared);
  std::sort(places.begin(), places.end(), [&](Row a, Row b) { return taken.rows[a] < taken.rows[b]; });
  if (asked.head < lists.d) {
    Rowset whole;
    for (const Row place : places) whole.push(taken.rows[place], taken.vectors[place]);
    taken = std::move(whole);
    nearest = compare(queries.data, queries.count, lists.d, static_cast<Row>(taken.rows.size()), lists.d, [&](Row i, float* to) {
      std::memcpy(to, taken.vectors[i], sizeof(float) * lists.d);
    });
    std::iota(places.begin(), places.end(), Row{0});
  }
  for (const Row place : places) {
    const Row row = taken.rows[place];
    if (nearest.query[place] >= 0) {
      top.offer({nearest.product[place], row, nearest.query[place]}, row / rows_per_group);
    }
  }
}

}  // namespace geo2
