#include "job.h"

#include <faiss/impl/FaissException.h>
#include <omp.h>

#include <memory>
#include <new>
#include <stdexcept>
#include <utility>

#include "errors.h"
#include "inspect.h"

namespace geo2 {
namespace {

struct Failure {
  std::string code, message;
};

/// Empty code: all went well.
Failure attempt(const std::function<void()>& work, const char* on_refusal) {
  try {
    work();
    return {};
  } catch (const CodedError& error) {
    return {error.code, error.what()};
  } catch (const faiss::FaissException& error) {
    return {on_refusal, "FAISS refused: " + sentence_of(error) + "."};
  } catch (const std::bad_alloc&) {
    return {kOutOfMemory, "There is not enough memory for this."};
  } catch (const std::length_error&) {
    return {kOutOfMemory, "There is not enough memory for this."};
  } catch (const std::exception& error) {
    return {kInternal, std::string("Unexpected: ") + error.what() + "."};
  }
}

class Worker final : public Napi::AsyncWorker {
 public:
  Worker(Napi::Env env, Needs needs, Job job)
      : Napi::AsyncWorker(env, "geo2.faiss"), deferred(env), needs_(std::move(needs)), job_(std::move(job)) {}

  Napi::Promise::Deferred deferred;

 private:
  void Execute() override {
    omp_set_num_threads(1);  // of this thread of the pool; searches of many callers fill the machine, not one search
    failure_ = attempt(job_.work, job_.on_refusal);
  }

  void OnOK() override {
    const Napi::HandleScope scope(Env());
    try {
      settle();
    } catch (const Napi::Error&) {
      // The environment is going away (a worker thread that is terminated): there is nobody to tell.
    }
  }

  void settle() {
    const auto leave = [this](void*) { Gate::leave(needs_); };
    Napi::Value value;
    {
      const std::unique_ptr<void, decltype(leave)> leaving(this, leave);
      if (failure_.code.empty()) {
        try {
          value = job_.value(Env());
        } catch (const std::bad_alloc&) {
          failure_ = {kOutOfMemory, "There is not enough memory for the result."};
        } catch (const Napi::Error& error) {
          failure_ = {kInternal, "The result could not be handed over: " + error.Message()};
        }
      }
    }
    if (failure_.code.empty()) {
      deferred.Resolve(value);
    } else {
      deferred.Reject(coded(Env(), failure_.code, failure_.message).Value());
    }
  }

  Needs needs_;
  Job job_;
  Failure failure_;
};

}  // namespace

Napi::Promise run(Napi::Env env, Needs needs, Job job) {
  auto* worker = new Worker(env, needs, std::move(job));  // deletes itself when it has settled
  const Napi::Promise promise = worker->deferred.Promise();
  Gate::enter(needs, [worker] { worker->Queue(); });
  return promise;
}

void run_now(Napi::Env env, const char* on_refusal, const std::function<void()>& work) {
  const Failure failure = attempt(work, on_refusal);
  if (!failure.code.empty()) throw coded(env, failure.code, failure.message);
}

Napi::Error coded(Napi::Env env, const std::string& code, const std::string& message) {
  const Napi::Error error = Napi::Error::New(env, message);
  error.Value().Set("code", Napi::String::New(env, code));
  return error;
}

}  // namespace geo2
