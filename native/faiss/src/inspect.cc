#include "inspect.h"

#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIDMap.h>
#include <faiss/IndexIVF.h>
#include <faiss/IndexIVFPQ.h>
#include <faiss/IndexPQ.h>
#include <faiss/IndexPreTransform.h>
#include <faiss/IndexRefine.h>
#include <faiss/IndexScalarQuantizer.h>

#include <algorithm>
#include <cstring>

namespace geo2 {
namespace {

std::string fault_of_graph(const faiss::IndexHNSW& index) {
  if (index.storage == nullptr || index.storage->ntotal != index.ntotal || index.storage->d != index.d) {
    return "its graph and its vectors differ in size";
  }
  const auto& graph = index.hnsw;
  const Row total = index.ntotal;
  const auto& width = graph.cum_nneighbor_per_level;
  if (static_cast<Row>(graph.levels.size()) != total || static_cast<Row>(graph.offsets.size()) != total + 1 ||
      graph.offsets[0] != 0 || graph.offsets[total] != graph.neighbors.size()) {
    return "its graph has the wrong size";
  }
  if (graph.efConstruction < 1 || graph.upper_beam < 1 || graph.upper_beam > 4096 ||
      graph.assign_probas.size() + 1 != width.size()) {
    return "its graph has damaged parameters";
  }
  if (total == 0) return "";
  if (width.empty() || width[0] != 0 || !std::is_sorted(width.begin(), width.end())) return "its graph has no levels";
  if (graph.entry_point < 0 || graph.entry_point >= total || graph.max_level < 0 ||
      graph.max_level >= graph.levels[graph.entry_point]) {
    return "its graph has no entry point";
  }
  for (Row row = 0; row < total; ++row) {
    const int levels = graph.levels[row];
    if (levels < 1 || levels > graph.max_level + 1 || levels >= static_cast<int>(width.size()) ||
        graph.offsets[row] + width[levels] != graph.offsets[row + 1]) {
      return "its graph is damaged";
    }
  }
  for (Row row = 0; row < total; ++row) {
    for (int level = 0; level < graph.levels[row]; ++level) {
      for (int i = width[level]; i < width[level + 1]; ++i) {
        const auto neighbor = graph.neighbors[graph.offsets[row] + i];
        if (neighbor < -1 || neighbor >= total || (neighbor >= 0 && graph.levels[neighbor] <= level)) {
          return "its graph has an edge that leads nowhere";
        }
      }
    }
  }
  return fault_of(*index.storage);
}

/// The bytes of a bool or an enumeration as a number: one that was read from a damaged file may hold a value that its type
/// has not, and even to look at it would be undefined.
template <typename Value>
int64_t number_of(const Value& value) {
  int64_t number = 0;
  static_assert(sizeof value <= sizeof number);
  std::memcpy(&number, &value, sizeof value);
  return number;
}

bool is_flag(const bool& flag) { return number_of(flag) <= 1; }

bool fits(const faiss::ScalarQuantizer& quantizer, int d, size_t code_size, bool trained) {
  using SQ = faiss::ScalarQuantizer;
  size_t bits = 8, ranges = 0;
  switch (number_of(quantizer.qtype)) {  // FAISS throws in a parallel region, which ends the process, when it knows no such type
    case SQ::QT_8bit: ranges = 2 * static_cast<size_t>(d); break;
    case SQ::QT_4bit: bits = 4, ranges = 2 * static_cast<size_t>(d); break;
    case SQ::QT_6bit: bits = 6, ranges = 2 * static_cast<size_t>(d); break;
    case SQ::QT_8bit_uniform: ranges = 2; break;
    case SQ::QT_4bit_uniform: bits = 4, ranges = 2; break;
    case SQ::QT_fp16: bits = 16; break;
    case SQ::QT_8bit_direct: break;
    default: return false;
  }
  return quantizer.d == static_cast<size_t>(d) && quantizer.code_size == (bits * d + 7) / 8 &&
         quantizer.code_size == code_size && (!trained || quantizer.trained.size() == ranges);
}

bool fits(const faiss::ProductQuantizer& quantizer, int d, size_t code_size) {
  return quantizer.d == static_cast<size_t>(d) && quantizer.M > 0 && quantizer.nbits > 0 && quantizer.nbits <= 24 &&
         quantizer.d % quantizer.M == 0 && quantizer.dsub == quantizer.d / quantizer.M &&
         quantizer.ksub == size_t{1} << quantizer.nbits && quantizer.code_size == (quantizer.nbits * quantizer.M + 7) / 8 &&
         quantizer.code_size == code_size && quantizer.centroids.size() == quantizer.d * quantizer.ksub;
}

/// Whether the codes of the vectors fit what reads them.
bool codes_fit(const faiss::Index& index) {
  if (const auto* flat = dynamic_cast<const faiss::IndexFlat*>(&index)) {
    return flat->code_size == sizeof(float) * flat->d;
  }
  if (const auto* sq = dynamic_cast<const faiss::IndexScalarQuantizer*>(&index)) {
    return fits(sq->sq, sq->d, sq->code_size, sq->is_trained);
  }
  if (const auto* pq = dynamic_cast<const faiss::IndexPQ*>(&index)) return fits(pq->pq, pq->d, pq->code_size);
  if (const auto* sq = dynamic_cast<const faiss::IndexIVFScalarQuantizer*>(&index)) {
    return is_flag(sq->by_residual) && fits(sq->sq, sq->d, sq->code_size, sq->is_trained);
  }
  if (const auto* pq = dynamic_cast<const faiss::IndexIVFPQ*>(&index)) {
    return is_flag(pq->by_residual) && fits(pq->pq, pq->d, pq->code_size);
  }
  return true;
}

/// Whether an entry of a direct map, list number and place in the list, is in the lists; -1 is a row that was removed.
bool leads_to_row(const faiss::IndexIVF& index, int64_t entry) {
  if (entry == -1) return true;
  const size_t list = faiss::lo_listno(entry);
  return list < index.nlist && faiss::lo_offset(entry) < index.invlists->list_size(list);
}

bool map_fits(const faiss::IndexIVF& index) {
  const faiss::DirectMap& map = index.direct_map;
  switch (number_of(map.type)) {
    case faiss::DirectMap::NoMap:
      return true;
    case faiss::DirectMap::Array:
      return static_cast<Row>(map.array.size()) == index.ntotal &&
             std::all_of(map.array.begin(), map.array.end(), [&](int64_t entry) { return leads_to_row(index, entry); });
    case faiss::DirectMap::Hashtable:
      return std::all_of(map.hashtable.begin(), map.hashtable.end(),
                         [&](const auto& pair) { return leads_to_row(index, pair.second); });
    default:
      return false;
  }
}

std::string fault_of_lists(const faiss::IndexIVF& index) {
  if (index.quantizer == nullptr || index.invlists == nullptr) return "it has no inverted lists";
  if (index.nlist < 1 || index.invlists->nlist != index.nlist || index.invlists->code_size != index.code_size ||
      index.quantizer->d != index.d) {
    return "its inverted lists do not fit its quantizer";
  }
  if (index.is_trained && index.quantizer->ntotal != static_cast<Row>(index.nlist)) return "its quantizer is damaged";
  Row total = 0;
  for (size_t list = 0; list < index.nlist; ++list) total += static_cast<Row>(index.invlists->list_size(list));
  if (total != index.ntotal) return "its inverted lists do not hold as many vectors as it says";
  if (!map_fits(index)) return "its map of rows does not fit its inverted lists";
  return fault_of(*index.quantizer);
}

std::string fault_of_transform(const faiss::IndexPreTransform& index) {
  int width = index.d;
  for (const auto* step : index.chain) {
    if (step == nullptr || step->d_in != width || step->d_out < 1) return "its transforms do not fit each other";
    width = step->d_out;
  }
  if (index.index == nullptr || index.index->d != width || index.index->ntotal != index.ntotal) {
    return "its transform and its vectors differ in size";
  }
  return fault_of(*index.index);
}

}  // namespace

std::string fault_of(const faiss::Index& index) {
  if (index.d < 1 || index.ntotal < 0 || !is_flag(index.is_trained)) return "its header is damaged";
  const int64_t metric = number_of(index.metric_type);
  if (metric != faiss::METRIC_INNER_PRODUCT && metric != faiss::METRIC_L2) {
    return "its metric is " + std::to_string(metric) + "; known are inner product (0) and squared L2 (1)";
  }
  if (const auto* flat = dynamic_cast<const faiss::IndexFlatCodes*>(&index)) {
    if (flat->codes.size() != static_cast<size_t>(flat->ntotal) * flat->code_size) {
      return "it does not hold as many vectors as it says";
    }
  }
  if (!codes_fit(index)) return "its codes do not fit its quantizer";
  if (const auto* graph = dynamic_cast<const faiss::IndexHNSW*>(&index)) return fault_of_graph(*graph);
  if (const auto* lists = dynamic_cast<const faiss::IndexIVF*>(&index)) return fault_of_lists(*lists);
  if (const auto* transformed = dynamic_cast<const faiss::IndexPreTransform*>(&index)) {
    return fault_of_transform(*transformed);
  }
  if (const auto* mapped = dynamic_cast<const faiss::IndexIDMap*>(&index)) {
    if (mapped->index == nullptr || mapped->index->d != mapped->d || mapped->index->ntotal != mapped->ntotal ||
        static_cast<Row>(mapped->id_map.size()) != mapped->ntotal) {
      return "its ids and its vectors differ in number";
    }
    return fault_of(*mapped->index);
  }
  if (const auto* refined = dynamic_cast<const faiss::IndexRefine*>(&index)) {
    for (const auto* part : {refined->base_index, refined->refine_index}) {
      if (part == nullptr || part->d != refined->d || part->ntotal != refined->ntotal) return "its parts differ in size";
      const std::string fault = fault_of(*part);
      if (!fault.empty()) return fault;
    }
  }
  return "";
}

faiss::Index* innermost(faiss::Index* index) {
  auto* transformed = dynamic_cast<faiss::IndexPreTransform*>(index);
  return transformed == nullptr ? index : innermost(transformed->index);
}

const faiss::Index* innermost(const faiss::Index* index) {
  const auto* transformed = dynamic_cast<const faiss::IndexPreTransform*>(index);
  return transformed == nullptr ? index : innermost(static_cast<const faiss::Index*>(transformed->index));
}

Row greatest_label(const faiss::Index& index) {
  const auto* ivf = dynamic_cast<const faiss::IndexIVF*>(innermost(&index));
  if (ivf == nullptr) return index.ntotal - 1;
  Row greatest = -1;
  for (size_t list = 0; list < ivf->nlist; ++list) {
    const size_t size = ivf->invlists->list_size(list);
    const faiss::InvertedLists::ScopedIds ids(ivf->invlists, list);
    for (size_t i = 0; i < size; ++i) greatest = std::max<Row>(greatest, ids[i]);
  }
  return greatest;
}

std::string sentence_of(const faiss::FaissException& error) {
  std::string text = error.what();
  const size_t place = text.rfind(".cpp:");  // Error in <function> at <file>.cpp:<line>: [Error: ]<what>
  const size_t colon = place == std::string::npos ? place : text.find(": ", place);
  if (colon != std::string::npos) text = text.substr(colon + 2);
  if (text.rfind("Error: ", 0) == 0) text = text.substr(7);
  while (!text.empty() && (text.back() == '.' || text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

}  // namespace geo2
