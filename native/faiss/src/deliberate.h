// Faults that only the sanitizer build has: its test commits them to prove that each would be reported.
#pragma once

#include <napi.h>

#include <limits>
#include <memory>
#include <vector>

#include "job.h"

namespace geo2 {

/// {overflow, useAfterFree, undefined}: each commits its fault on a thread of the pool.
inline Napi::Object deliberate_faults(Napi::Env env) {
  const auto fault = [env](const char* name, int (*commit)(int)) {
    return Napi::Function::New(
        env,
        [commit](const Napi::CallbackInfo& info) -> Napi::Value {
          auto result = std::make_shared<int>(0);
          const int size = info[0].As<Napi::Number>().Int32Value();
          return run(info.Env(), {},
                     {[commit, size, result] { *result = commit(size); },
                      [result](Napi::Env env) -> Napi::Value { return Napi::Number::New(env, *result); }, ""});
        },
        name);
  };
  auto faults = Napi::Object::New(env);
  faults.Set("overflow", fault("overflow", [](int size) {
               const std::vector<int> numbers(size, 1);
               return numbers.data()[size];
             }));
  faults.Set("useAfterFree", fault("useAfterFree", [](int size) {
               auto numbers = std::make_unique<std::vector<int>>(size, 1);
               const int* data = numbers->data();
               numbers.reset();
               return data[0];
             }));
  faults.Set("undefined", fault("undefined", [](int size) { return std::numeric_limits<int>::max() + size; }));
  return faults;
}

}  // namespace geo2
