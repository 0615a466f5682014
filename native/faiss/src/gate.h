// A reader/writer lock that makes nobody wait: what may not run yet stays in a queue, first come first served, so that
// neither the JavaScript thread nor a thread of libuv's pool is ever blocked. Used on the JavaScript thread only.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace geo2 {

enum class Access { kShared, kExclusive };

class Gate;
using GatePtr = std::shared_ptr<Gate>;
using Needs = std::vector<std::pair<GatePtr, Access>>;

class Gate {
 public:
  /// Calls `start` as soon as every gate in `needs` admits it. Requests that need several gates enter all their queues at
  /// once, so the order is the same everywhere and nothing can deadlock. `leave(needs)` must follow.
  static void enter(const Needs& needs, std::function<void()> start) {
    if (needs.empty()) return start();
    auto request = std::make_shared<Request>(Request{needs, std::move(start)});
    for (const auto& need : needs) need.first->queue_.push_back(request);
    for (const auto& need : needs) need.first->pump();
  }

  static void leave(const Needs& needs) {
    for (const auto& [gate, access] : needs) {
      if (access == Access::kExclusive) {
        gate->writing_ = false;
      } else {
        gate->readers_ -= 1;
      }
    }
    for (const auto& need : needs) need.first->pump();
  }

 private:
  struct Request {
    Needs needs;
    std::function<void()> start;
  };

  bool admits(Access access) const { return !writing_ && (access == Access::kShared || readers_ == 0); }

  void pump() {
    while (!queue_.empty()) {
      const std::shared_ptr<Request> request = queue_.front();
      for (const auto& [gate, access] : request->needs) {
        if (gate->queue_.front() != request || !gate->admits(access)) return;
      }
      for (const auto& [gate, access] : request->needs) {
        gate->queue_.pop_front();
        if (access == Access::kExclusive) {
          gate->writing_ = true;
        } else {
          gate->readers_ += 1;
        }
      }
      request->start();
    }
  }

  std::deque<std::shared_ptr<Request>> queue_;
  int readers_ = 0;
  bool writing_ = false;
};

}  // namespace geo2
