// Work on libuv's thread pool that starts when its gates admit it and settles a promise.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <string>

#include "gate.h"

namespace geo2 {

struct Job {
  /// Runs on the pool, without JavaScript. What FAISS throws in it becomes an error of code `on_refusal`.
  std::function<void()> work;
  /// Runs on the JavaScript thread after `work`, before the gates are left; gives the promise's value.
  std::function<Napi::Value(Napi::Env)> value;
  const char* on_refusal;
};

Napi::Promise run(Napi::Env env, Needs needs, Job job);

/// Runs `work` here and now, with the same errors as a job.
void run_now(Napi::Env env, const char* on_refusal, const std::function<void()>& work);

/// A JavaScript error with a `code`.
Napi::Error coded(Napi::Env env, const std::string& code, const std::string& message);

}  // namespace geo2
