// The JavaScript face: one class, NativeIndex, whose methods check their arguments, copy what they need and queue a job.
// native/faiss/index.ts gives it types and the names of the public API.

#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIVF.h>
#include <faiss/IndexIVFPQ.h>
#include <faiss/IndexPQ.h>
#include <faiss/IndexPreTransform.h>
#include <faiss/index_factory.h>
#include <faiss/utils/distances.h>
#include <napi.h>
#include <omp.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <typeinfo>
#include <utility>
#include <vector>

#include "arguments.h"
#include "errors.h"
#include "file.h"
#include "flat.h"
#include "gate.h"
#include "heads.h"
#include "inspect.h"
#include "job.h"
#include "lists.h"
#include "search.h"
#ifdef GEO2_SANITIZE
#include "deliberate.h"
#endif

// One OpenMP thread over a BLAS with threads of its own gains nothing and serialises searches; absent in other BLAS.
extern "C" __attribute__((weak)) void openblas_set_num_threads(int threads);

namespace geo2 {
namespace {

constexpr Row kGreatestDimension = 1 << 20;

/// An index, its gate, and what is known of it on the JavaScript thread while a job may be changing it.
struct Shared {
  Shared(std::unique_ptr<faiss::Index> given, bool is_mapped) : index(std::move(given)), mapped(is_mapped) {
    graph = dynamic_cast<faiss::IndexHNSW*>(innermost(index.get()));
    if (graph != nullptr) {
      ef_search = std::clamp(graph->hnsw.efSearch, 1, kWidestSearch);
      graph->hnsw.efSearch = kWidestSearch;
    }
    next_label = mapped ? index->ntotal : greatest_label(*index) + 1;
    head = head_of(*index);
    note();
  }

  GatePtr gate = std::make_shared<Gate>();
  std::unique_ptr<faiss::Index> index;
  const bool mapped;
  bool disposed = false;
  /// Label of the next vector; greater than the number of vectors once an inverted file has lost some.
  Row next_label = 0;
  /// The graph of the index, if it is one, and the efSearch that it was made or read with.
  faiss::IndexHNSW* graph = nullptr;
  int ef_search = 0;
  int head = 0;
  /// Of what was read, until it is changed.
  std::unique_ptr<Heads> heads;

  int dimension = 0;
  Row total = 0;
  bool trained = false;
  faiss::MetricType metric = faiss::METRIC_L2;
  /// Of an inverted file, else 0: its lists, and how many of them a search visits.
  size_t lists = 0, probes = 0;

  /// Call where no job of this index runs.
  void note() {
    dimension = index->d;
    total = index->ntotal;
    trained = index->is_trained;
    metric = index->metric_type;
    if (heads != nullptr && heads->count() != total) heads.reset();
    if (const auto* ivf = dynamic_cast<const faiss::IndexIVF*>(innermost(index.get()))) {
      lists = ivf->nlist;
      probes = ivf->nprobe;
    }
  }
};

using SharedPtr = std::shared_ptr<Shared>;

SharedPtr share(std::unique_ptr<faiss::Index> index, bool mapped = false) {
  return std::make_shared<Shared>(std::move(index), mapped);
}

faiss::IndexIVF* inverted_file(faiss::Index* index) { return dynamic_cast<faiss::IndexIVF*>(innermost(index)); }

/// FAISS warns on the console when a sample is small; how good the index must be is the caller's decision.
void silence(faiss::Index* index) {
  if (auto* ivf = dynamic_cast<faiss::IndexIVF*>(index)) ivf->cp.min_points_per_centroid = 1;
  if (auto* pq = dynamic_cast<faiss::IndexPQ*>(index)) pq->pq.cp.min_points_per_centroid = 1;
  if (auto* pq = dynamic_cast<faiss::IndexIVFPQ*>(index)) pq->pq.cp.min_points_per_centroid = 1;
}

faiss::MetricType metric_of(const Napi::Value& value) {
  if (value.IsNumber() && value.As<Napi::Number>().DoubleValue() == 0) return faiss::METRIC_INNER_PRODUCT;
  if (value.IsNumber() && value.As<Napi::Number>().DoubleValue() == 1) return faiss::METRIC_L2;
  fail(kInvalidArgument, "metric must be MetricType.METRIC_INNER_PRODUCT (0) or MetricType.METRIC_L2 (1).");
}

std::string text(const Napi::Value& value, const char* name) {
  if (!value.IsString()) fail(kInvalidArgument, name, " must be a string.");
  const std::string string = value.As<Napi::String>().Utf8Value();
  if (string.empty() || string.find('\0') != std::string::npos) fail(kInvalidArgument, name, " must be a name.");
  return string;
}

int count_option(const Napi::Object& options, const char* name) {
  const Napi::Value value = options.Get(name);
  if (value.IsUndefined()) return 0;
  return static_cast<int>(std::min<Row>(whole_number(value, name, 1), 1 << 30));
}

class NativeIndex final : public Napi::ObjectWrap<NativeIndex> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "NativeIndex",
                       {
                           StaticMethod<&NativeIndex::flat>("flat"),
                           StaticMethod<&NativeIndex::factory>("factory"),
                           StaticMethod<&NativeIndex::read>("read"),
                           StaticMethod<&NativeIndex::from_buffer>("fromBuffer"),
                           InstanceMethod<&NativeIndex::add>("add"),
                           InstanceMethod<&NativeIndex::train>("train"),
                           InstanceMethod<&NativeIndex::search_rows>("search"),
                           InstanceMethod<&NativeIndex::search_groups_of_rows>("searchGroups"),
                           InstanceMethod<&NativeIndex::write>("write"),
                           InstanceMethod<&NativeIndex::to_buffer>("toBuffer"),
                           InstanceMethod<&NativeIndex::merge_from>("mergeFrom"),
                           InstanceMethod<&NativeIndex::remove_ids>("removeIds"),
                           InstanceMethod<&NativeIndex::reconstruct>("reconstruct"),
                           InstanceMethod<&NativeIndex::transform>("transform"),
                           InstanceMethod<&NativeIndex::dispose>("dispose"),
                           InstanceMethod<&NativeIndex::describe>("describe"),
                       });
  }

  explicit NativeIndex(const Napi::CallbackInfo& info) : Napi::ObjectWrap<NativeIndex>(info) {
    if (info.Length() != 1 || !info[0].IsExternal()) {
      throw coded(info.Env(), kInvalidArgument, "Use a constructor of native/faiss/index.ts.");
    }
    shared_ = *info[0].As<Napi::External<SharedPtr>>().Data();
  }

 private:
  static Napi::Value wrap(Napi::Env env, SharedPtr shared) {
    const auto* constructor = env.GetInstanceData<Napi::FunctionReference>();
    return constructor->New({Napi::External<SharedPtr>::New(env, &shared)});
  }

  /// Runs the argument checks of a method; their CodedErrors become JavaScript's.
  template <typename Check>
  static auto checked(Napi::Env env, Check check) {
    try {
      return check();
    } catch (const CodedError& error) {
      throw coded(env, error.code, error.what());
    } catch (const std::bad_alloc&) {
      throw coded(env, kOutOfMemory, "There is not enough memory for a copy of the argument.");
    }
  }

  Shared& usable() const {
    if (shared_->disposed) fail(kDisposed, "This index was disposed of and cannot be used.");
    return *shared_;
  }

  Shared& changeable() const {
    Shared& shared = usable();
    if (shared.mapped) fail(kReadOnly, "This index is mapped from a file and cannot be changed; read it without mmap.");
    return shared;
  }

  Needs needs(Access access) const { return {{shared_->gate, access}}; }

  Needs needs_to_write() const { return needs(shared_->graph == nullptr ? Access::kShared : Access::kExclusive); }

  /// Runs `write` while a graph has the efSearch that belongs into its file.
  static void with_own_width(Shared& shared, const std::function<void()>& write) {
    if (shared.graph == nullptr) return write();
    const auto widen = [](faiss::IndexHNSW* graph) { graph->hnsw.efSearch = kWidestSearch; };
    const std::unique_ptr<faiss::IndexHNSW, decltype(widen)> widening(shared.graph, widen);
    shared.graph->hnsw.efSearch = shared.ef_search;
    write();
  }

  static Napi::Value flat(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return checked(env, [&] {
      const int dimension = dimension_of(info[0]);
      std::unique_ptr<faiss::Index> index;
      if (metric_of(info[1]) == faiss::METRIC_INNER_PRODUCT) {
        index = std::make_unique<faiss::IndexFlatIP>(dimension);
      } else {
        index = std::make_unique<faiss::IndexFlatL2>(dimension);
      }
      return wrap(env, share(std::move(index)));
    });
  }

  static int dimension_of(const Napi::Value& value) {
    const Row dimension = whole_number(value, "dims", 1);
    if (dimension > kGreatestDimension) {
      fail(kInvalidArgument, "dims must be at most ", kGreatestDimension, ", not ", dimension, ".");
    }
    return static_cast<int>(dimension);
  }

  static Napi::Value factory(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    SharedPtr shared;
    checked(env, [&] {
      const int dimension = dimension_of(info[0]);
      const std::string descriptor = text(info[1], "descriptor");
      const faiss::MetricType metric = metric_of(info[2]);
      run_now(env, kInvalidArgument, [&] {
        std::unique_ptr<faiss::Index> index;
        try {
          index.reset(faiss::index_factory(dimension, descriptor.c_str(), metric));
        } catch (const std::logic_error& error) {  // a number in the descriptor that fits no integer
          fail(kInvalidArgument, "'", descriptor, "' describes no index (", error.what(), ").");
        }
        const auto* ivf = inverted_file(index.get());
        if (ivf != nullptr && ivf->nlist < 1) fail(kInvalidArgument, "'", descriptor, "' has no lists.");
        silence(innermost(index.get()));
        shared = share(std::move(index));
      });
    });
    return wrap(env, shared);
  }

  static Napi::Value read(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return checked(env, [&] {
      const std::string path = text(info[0], "path");
      const bool mmap = info[1].ToBoolean();
      auto shared = std::make_shared<SharedPtr>();
      return run(env, {},
                 {[=] {
                    ReadIndex read = read_file(path, mmap);
                    *shared = share(std::move(read.index), read.mapped);
                    if (!mmap) (*shared)->heads = Heads::of(*(*shared)->index);
                  },
                  [=](Napi::Env env) { return wrap(env, *shared); }, kFileCorrupt});
    });
  }

  static Napi::Value from_buffer(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return checked(env, [&] {
      if (!info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
        fail(kInvalidArgument, "The buffer must be a Uint8Array.");
      }
      const auto array = info[0].As<Napi::Uint8Array>();
      auto bytes = std::make_shared<std::vector<uint8_t>>(array.Data(), array.Data() + array.ElementLength());
      auto shared = std::make_shared<SharedPtr>();
      return run(env, {},
                 {[=] { *shared = share(read_buffer(*bytes)); }, [=](Napi::Env env) { return wrap(env, *shared); },
                  kFileCorrupt});
    });
  }

  Napi::Value add(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return checked(env, [&] {
      const int dimension = changeable().dimension;
      auto given = std::make_shared<std::vector<float>>(vectors(info[0], "The vectors to add", dimension));
      return run(env, needs(Access::kExclusive),
                 {[shared = shared_, given] {
                    check_finite(*given, "The vectors to add", shared->dimension);
                    faiss::Index& index = *shared->index;
                    if (!index.is_trained) {
                      fail(kNotTrained, "The index must be trained before vectors are added; call train first.");
                    }
                    const Row count = static_cast<Row>(given->size()) / shared->dimension;
                    if (shared->next_label == index.ntotal) {
                      index.add(count, given->data());
                      shared->next_label = index.ntotal;
                    } else {
                      std::vector<Row> labels(count);
                      std::iota(labels.begin(), labels.end(), shared->next_label);
                      index.add_with_ids(count, given->data(), labels.data());
                      shared->next_label += count;
                    }
                  },
                  noted(shared_), kUnsupported});
    });
  }

  Napi::Value train(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return checked(env, [&] {
      const int dimension = changeable().dimension;
      auto given = std::make_shared<std::vector<float>>(vectors(info[0], "The vectors to train with", dimension));
      return run(env, needs(Access::kExclusive),
                 {[shared = shared_, given] {
                    check_finite(*given, "The vectors to train with", shared->dimension);
                    const Row count = static_cast<Row>(given->size()) / shared->dimension;
                    const auto* ivf = inverted_file(shared->index.get());
                    if (ivf != nullptr && !ivf->is_trained && count < static_cast<Row>(ivf->nlist)) {
                      fail(kInvalidArgument, "Training needs at least as many vectors as the index has lists (",
                           ivf->nlist, "); it got ", count, ".");
                    }
                    if (shared->index->ntotal > 0 && dynamic_cast<faiss::IndexFlat*>(shared->index.get()) == nullptr) {
                      fail(kUnsupported, "An index that holds vectors cannot be trained again: they would be lost.");
                    }
                    shared->index->train(count, given->data());
                  },
                  noted(shared_), kInvalidArgument});
    });
  }

  std::shared_ptr<Search> search_of(const Napi::CallbackInfo& info) const {
    const int dimension = usable().dimension;
    auto asked = std::make_shared<Search>();
    asked->queries = vectors(info[0], "The queries", dimension);
    asked->count = static_cast<Row>(asked->queries.size()) / dimension;
    asked->k = whole_number(info[1], "k", 1);
    if (info[2].IsObject()) {
      const auto options = info[2].As<Napi::Object>();
      asked->rows = rows(options.Get("rows"));
      asked->nprobe = count_option(options, "nprobe");
      asked->ef_search = count_option(options, "efSearch");
    }
    if (asked->ef_search > kWidestSearch) {
      fail(kInvalidArgument, "efSearch must be at most ", kWidestSearch, ", not ", asked->ef_search, ".");
    }
    if (asked->ef_search == 0) asked->ef_search = shared_->ef_search;
    asked->head = shared_->head;
    return asked;
  }

  Napi::Value search_rows(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return checked(env, [&] {
      const auto asked = search_of(info);
      auto found = std::make_shared<Found>();
      return run(env, needs(Access::kShared),
                 {[shared = shared_, asked, found] {
                    check_finite(asked->queries, "The queries", shared->dimension);
                    *found = search(*shared->index, *asked);
                  },
                  [found](Napi::Env env) { return found_value(env, *found); }, kUnsupported});
    });
  }

  Napi::Value search_groups_of_rows(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return checked(env, [&] {
      const auto asked = search_of(info);
      const Row rows_per_group = whole_number(info[3], "rowsPerGroup", 1);
      auto found = std::make_shared<std::vector<Pair>>();
      return run(env, needs(Access::kShared),
                 {[shared = shared_, asked, rows_per_group, found] {
                    check_finite(asked->queries, "The queries", shared->dimension);
                    *found = search_groups(*shared->index, *asked, rows_per_group, shared->heads.get());
                  },
                  [found](Napi::Env env) { return pairs_value(env, *found); }, kUnsupported});
    });
  }

  static Napi::Value pairs_value(Napi::Env env, const std::vector<Pair>& pairs) {
    auto distances = Napi::Float32Array::New(env, pairs.size());
    auto labels = Napi::Float64Array::New(env, pairs.size());
    auto queries = Napi::Int32Array::New(env, pairs.size());
    for (size_t i = 0; i < pairs.size(); ++i) {
      distances[i] = pairs[i].distance;
      labels[i] = static_cast<double>(pairs[i].row);
      queries[i] = pairs[i].query;
    }
    auto value = Napi::Object::New(env);
    value.Set("distances", distances);
    value.Set("labels", labels);
    value.Set("queries", queries);
    return value;
  }

  static Napi::Value found_value(Napi::Env env, const Found& found) {
    auto distances = Napi::Float32Array::New(env, found.distances.size());
    auto labels = Napi::Float64Array::New(env, found.labels.size());
    std::copy(found.distances.begin(), found.distances.end(), distances.Data());
    std::copy(found.labels.begin(), found.labels.end(), labels.Data());
    auto value = Napi::Object::New(env);
    value.Set("k", Napi::Number::New(env, static_cast<double>(found.k)));
    value.Set("distances", distances);
    value.Set("labels", labels);
    return value;
  }

  Napi::Value write(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return checked(env, [&] {
      usable();
      const std::string path = text(info[0], "path");
      return run(env, needs_to_write(),
                 {[shared = shared_, path] { with_own_width(*shared, [&] { write_file(*shared->index, path); }); },
                  [](Napi::Env env) { return env.Undefined(); }, kUnsupported});
    });
  }

  Napi::Value to_buffer(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return checked(env, [&] {
      usable();
      auto bytes = std::make_shared<std::vector<uint8_t>>();
      return run(env, needs_to_write(),
                 {[shared = shared_, bytes] { with_own_width(*shared, [&] { *bytes = write_buffer(*shared->index); }); },
                  [bytes](Napi::Env env) -> Napi::Value {
                    return Napi::Buffer<uint8_t>::NewOrCopy(env, bytes->data(), bytes->size(),
                                                            [bytes](Napi::Env, uint8_t*) {});
                  },
                  kUnsupported});
    });
  }

  Napi::Value merge_from(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return checked(env, [&] {
      changeable();
      const auto* constructor = env.GetInstanceData<Napi::FunctionReference>();
      if (!info[0].IsObject() || !info[0].As<Napi::Object>().InstanceOf(constructor->Value())) {
        fail(kInvalidArgument, "mergeFrom needs another index.");
      }
      const SharedPtr other = Unwrap(info[0].As<Napi::Object>())->shared_;
      if (other == shared_) fail(kInvalidArgument, "An index cannot be merged into itself.");
      if (other->disposed) fail(kDisposed, "The index to merge from was disposed of.");
      if (other->mapped) fail(kReadOnly, "The index to merge from is mapped from a file; read it without mmap.");
      return run(env, {{shared_->gate, Access::kExclusive}, {other->gate, Access::kExclusive}},
                 {[shared = shared_, other] { merge(*shared, *other); },
                  [shared = shared_, other](Napi::Env env) {
                    shared->note();
                    other->note();
                    return env.Undefined();
                  },
                  kMismatch});
    });
  }

  static void merge(Shared& into, Shared& from) {
    if (into.index->d != from.index->d || into.index->metric_type != from.index->metric_type) {
      fail(kMismatch, "Only indexes of the same dimension and metric can be merged: this one has ", into.index->d,
           " and metric ", static_cast<int>(into.index->metric_type), ", the other ", from.index->d, " and metric ",
           static_cast<int>(from.index->metric_type), ".");
    }
    // FAISS gives flat indexes three classes, depending on how they were made, and merges only equal ones.
    auto* flat = dynamic_cast<faiss::IndexFlat*>(from.index.get());
    if (flat != nullptr && dynamic_cast<faiss::IndexFlat*>(into.index.get()) != nullptr) {
      into.index->add(flat->ntotal, flat->get_xb());
      flat->reset();
      into.next_label = into.index->ntotal;
      from.next_label = 0;
      return;
    }
    if (typeid(*into.index) != typeid(*from.index)) fail(kMismatch, "Only indexes of the same kind can be merged.");
    into.index->check_compatible_for_merge(*from.index);
    const bool lists = inverted_file(into.index.get()) != nullptr;
    into.index->merge_from(*from.index, lists ? into.next_label : 0);
    into.next_label = lists ? into.next_label + from.next_label : into.index->ntotal;
    from.next_label = from.index->ntotal;
  }

  Napi::Value remove_ids(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return checked(env, [&] {
      changeable();
      const RowsPtr ids = listed_rows(row_numbers(info[0], "ids"));
      auto removed = std::make_shared<size_t>(0);
      return run(env, needs(Access::kExclusive),
                 {[shared = shared_, ids, removed] {
                    *removed = shared->index->remove_ids(*ids);
                    if (inverted_file(shared->index.get()) == nullptr) shared->next_label = shared->index->ntotal;
                  },
                  [shared = shared_, removed](Napi::Env env) -> Napi::Value {
                    shared->note();
                    return Napi::Number::New(env, static_cast<double>(*removed));
                  },
                  kUnsupported});
    });
  }

  Napi::Value reconstruct(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return checked(env, [&] {
      usable();
      const Row row = whole_number(info[0], "row", 0);
      auto vector = std::make_shared<std::vector<float>>();
      return run(env, needs(Access::kShared),
                 {[shared = shared_, row, vector] {
                    const faiss::Index& index = *shared->index;
                    if (row >= shared->next_label) {
                      fail(kRowNotFound, "There is no row ", row, "; the index holds ", index.ntotal, " vectors.");
                    }
                    vector->resize(index.d);
                    index.reconstruct(row, vector->data());
                  },
                  [vector](Napi::Env env) -> Napi::Value {
                    auto array = Napi::Float32Array::New(env, vector->size());
                    std::copy(vector->begin(), vector->end(), array.Data());
                    return array;
                  },
                  kUnsupported});
    });
  }

  Napi::Value dispose(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    shared_->disposed = true;
    return run(env, needs(Access::kExclusive),
               {[shared = shared_] { shared->index.reset(); }, [](Napi::Env env) { return env.Undefined(); },
                kInternal});
  }

  Napi::Value transform(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return checked(env, [&] {
      auto given = std::make_shared<std::vector<float>>(vectors(info[0], "The vectors to transform", usable().dimension));
      return run(env, needs(Access::kShared),
                 {[shared = shared_, given] {
                    check_finite(*given, "The vectors to transform", shared->dimension);
                    const auto* outer = dynamic_cast<const faiss::IndexPreTransform*>(shared->index.get());
                    if (outer == nullptr || outer->chain.empty()) fail(kUnsupported, "This index has no transforms.");
                    if (!outer->is_trained) fail(kNotTrained, "The index must be trained before it transforms vectors.");
                    const Row count = static_cast<Row>(given->size()) / shared->dimension;
                    const std::unique_ptr<const float[]> made(outer->apply_chain(count, given->data()));
                    given->assign(made.get(), made.get() + count * outer->index->d);
                  },
                  [given](Napi::Env env) -> Napi::Value {
                    auto array = Napi::Float32Array::New(env, given->size());
                    std::copy(given->begin(), given->end(), array.Data());
                    return array;
                  },
                  kUnsupported});
    });
  }

  /// {dimension, total, trained, metric, mapped, lists, probes}, as of the last job that ended.
  Napi::Value describe(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return checked(env, [&] {
      const Shared& shared = usable();
      auto value = Napi::Object::New(env);
      value.Set("dimension", Napi::Number::New(env, shared.dimension));
      value.Set("total", Napi::Number::New(env, static_cast<double>(shared.total)));
      value.Set("trained", Napi::Boolean::New(env, shared.trained));
      value.Set("metric", Napi::Number::New(env, shared.metric));
      value.Set("mapped", Napi::Boolean::New(env, shared.mapped));
      value.Set("lists", Napi::Number::New(env, static_cast<double>(shared.lists)));
      value.Set("probes", Napi::Number::New(env, static_cast<double>(shared.probes)));
      return value;
    });
  }

  static std::function<Napi::Value(Napi::Env)> noted(SharedPtr shared) {
    return [shared](Napi::Env env) {
      shared->note();
      return env.Undefined();
    };
  }

  SharedPtr shared_;
};

Napi::Object start(Napi::Env env, Napi::Object exports) {
  // A dense search of few queries through BLAS, too: 41 ms become 17 ms for 100,000 x 512 with FAISS 1.7.3.
  faiss::distance_compute_blas_threshold = 1;
  if (openblas_set_num_threads != nullptr) openblas_set_num_threads(1);
  const Napi::Function constructor = NativeIndex::define(env);
  auto* reference = new Napi::FunctionReference(Napi::Persistent(constructor));
  env.SetInstanceData(reference);  // deleted with the environment
  exports.Set("NativeIndex", constructor);
#ifdef GEO2_SANITIZE
  exports.Set("deliberate", deliberate_faults(env));
#endif
  exports.Set("faissVersion", std::to_string(FAISS_VERSION_MAJOR) + "." + std::to_string(FAISS_VERSION_MINOR) + "." +
                                  std::to_string(FAISS_VERSION_PATCH));
  return exports;
}

}  // namespace

NODE_API_MODULE(faiss, start)

}  // namespace geo2
