#include "search.h"

#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIVF.h>
#include <faiss/IndexPreTransform.h>
#include <faiss/impl/FaissException.h>

#include <algorithm>

#include "errors.h"
#include "flat.h"
#include "heads.h"
#include "inspect.h"
#include "lists.h"
#include "top.h"

namespace geo2 {
namespace {

constexpr Row kMostPlaces = Row{1} << 27;  // 1.5 GB of distances and labels

void check_flat(const Search& asked) {
  if (asked.nprobe > 0) fail(kUnsupported, "nprobe is an option of inverted files (IVF) only.");
  if (asked.ef_search > 0) fail(kUnsupported, "efSearch is an option of graphs (HNSW) only.");
}

void search_faiss(const faiss::Index& index, const Search& asked, Found& found) {
  const faiss::Index& inner = *innermost(&index);
  const auto* ivf = dynamic_cast<const faiss::IndexIVF*>(&inner);
  const auto* hnsw = dynamic_cast<const faiss::IndexHNSW*>(&inner);
  if (asked.nprobe > 0 && ivf == nullptr) fail(kUnsupported, "nprobe is an option of inverted files (IVF) only.");
  if (asked.ef_search > 0 && hnsw == nullptr) fail(kUnsupported, "efSearch is an option of graphs (HNSW) only.");

  faiss::SearchParametersIVF for_ivf;
  faiss::SearchParametersHNSW for_hnsw;
  faiss::SearchParameters for_others;
  faiss::SearchParametersPreTransform for_transform;
  faiss::SearchParameters* params = &for_others;
  if (ivf != nullptr) {
    for_ivf.nprobe = asked.nprobe > 0 ? static_cast<size_t>(asked.nprobe) : ivf->nprobe;
    for_ivf.max_codes = ivf->max_codes;
    params = &for_ivf;
  } else if (hnsw != nullptr) {
    for_hnsw.efSearch = asked.ef_search;
    params = &for_hnsw;
  }
  // FAISS declares the selector as changeable and never changes it.
  params->sel = const_cast<Rows*>(asked.rows.get());
  if (ivf == nullptr && hnsw == nullptr && asked.rows == nullptr) params = nullptr;
  if (&inner != &index && params != nullptr) {
    for_transform.index_params = params;
    params = &for_transform;
  }
  index.search(asked.count, asked.queries.data(), found.k, found.distances.data(), found.labels.data(), params);

  // Some index types of some versions take a selector and do not look at it.
  for (const Row label : found.labels) {
    if (asked.rows != nullptr && label >= 0 && !asked.rows->is_member(label)) {
      fail(kUnsupported, "This kind of index cannot search a selection of rows.");
    }
  }
  for (Row q = 0; q < asked.count; ++q) {
    Top top(found.k, index.metric_type);
    float* distances = found.distances.data() + q * found.k;
    Row* labels = found.labels.data() + q * found.k;
    for (Row i = 0; i < found.k; ++i) {
      if (labels[i] >= 0) top.offer(distances[i], labels[i]);
    }
    top.write(distances, labels);
  }
}

}  // namespace

Found search(const faiss::Index& index, const Search& asked) {
  if (!index.is_trained) fail(kNotTrained, "The index must be trained before it is searched; call train first.");
  const auto* flat = dynamic_cast<const faiss::IndexFlat*>(&index);
  const auto* mapped = dynamic_cast<const MappedFlat*>(&index);
  const bool exact = flat != nullptr || mapped != nullptr;
  if (exact) check_flat(asked);

  Found found;
  std::vector<Row> members;
  if (exact && asked.rows != nullptr) asked.rows->collect(index.ntotal, members);
  found.k = std::min<Row>(asked.k, index.ntotal);
  if (exact && asked.rows != nullptr) found.k = std::min<Row>(found.k, members.size());
  if (found.k > 0 && asked.count > kMostPlaces / found.k) {
    fail(kInvalidArgument, "A search may have at most ", kMostPlaces, " results, not ", asked.count, " x ", found.k,
         "; split the queries.");
  }
  const size_t places = static_cast<size_t>(asked.count) * found.k;
  found.distances.resize(places);
  found.labels.resize(places);
  if (places == 0) return found;
  if (!exact) {
    search_faiss(index, asked, found);
  } else if (flat != nullptr && asked.rows == nullptr) {
    search_dense(*flat, asked.count, asked.queries.data(), found.k, found.distances.data(), found.labels.data());
  } else {
    search_rows(mapped != nullptr ? mapped->rows() : rows_of(*flat), asked.count, asked.queries.data(), found.k,
                asked.rows == nullptr ? nullptr : &members, found.distances.data(), found.labels.data());
  }
  return found;
}

std::vector<Pair> search_groups(const faiss::Index& index, const Search& asked, Row rows_per_group, const Heads* heads) {
  if (!index.is_trained) fail(kNotTrained, "The index must be trained before it is searched; call train first.");
  const auto* flat = dynamic_cast<const faiss::IndexFlat*>(&index);
  const auto* mapped = dynamic_cast<const MappedFlat*>(&index);
  const Row groups = std::max<Row>(1, (index.ntotal + rows_per_group - 1) / rows_per_group);
  TopGroups top(std::min(asked.k, groups), index.metric_type);
  if (flat != nullptr || mapped != nullptr) {
    check_flat(asked);
    std::vector<Row> members;
    if (asked.rows != nullptr) asked.rows->collect(index.ntotal, members);
    const FlatRows all = mapped != nullptr ? mapped->rows() : rows_of(*flat);
    const std::vector<Row>* selected = asked.rows == nullptr ? nullptr : &members;
    if (heads != nullptr) {
      heads->search(all, asked, rows_per_group, selected, top);
    } else {
      search_groups(all, asked.count, asked.queries.data(), rows_per_group, selected, top);
    }
    return top.take();
  }
  if (has_float_lists(index)) {
    if (asked.ef_search > 0) fail(kUnsupported, "efSearch is an option of graphs (HNSW) only.");
    search_lists(index, asked, rows_per_group, top);
    return top.take();
  }
  Search wider = asked;
  wider.k = std::min<Row>(std::max<Row>(1, index.ntotal), std::min(asked.k, groups) * rows_per_group);
  const Found found = search(index, wider);
  std::vector<Pair> pairs;
  for (size_t place = 0; place < found.labels.size(); ++place) {
    if (found.labels[place] < 0) continue;
    pairs.push_back({found.distances[place], found.labels[place], static_cast<int32_t>(place / found.k)});
  }
  std::stable_sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) { return a.row < b.row; });
  for (const Pair& pair : pairs) top.offer(pair, pair.row / rows_per_group);
  return top.take();
}

}  // namespace geo2
