// Errors that reach JavaScript: a stable code (ERR_FAISS_...) and a sentence saying what was expected and what came.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace geo2 {

class CodedError : public std::runtime_error {
 public:
  CodedError(const char* code, const std::string& message) : std::runtime_error(message), code(code) {}
  const char* code;
};

constexpr const char* kInvalidArgument = "ERR_FAISS_INVALID_ARGUMENT";
constexpr const char* kDimension = "ERR_FAISS_DIMENSION";
constexpr const char* kNotFinite = "ERR_FAISS_NOT_FINITE";
constexpr const char* kNotTrained = "ERR_FAISS_NOT_TRAINED";
constexpr const char* kUnsupported = "ERR_FAISS_UNSUPPORTED";
constexpr const char* kFileMissing = "ERR_FAISS_FILE_MISSING";
constexpr const char* kFileCorrupt = "ERR_FAISS_FILE_CORRUPT";
constexpr const char* kIo = "ERR_FAISS_IO";
constexpr const char* kRowNotFound = "ERR_FAISS_ROW_NOT_FOUND";
constexpr const char* kReadOnly = "ERR_FAISS_READ_ONLY";
constexpr const char* kDisposed = "ERR_FAISS_DISPOSED";
constexpr const char* kMismatch = "ERR_FAISS_MISMATCH";
constexpr const char* kOutOfMemory = "ERR_FAISS_OUT_OF_MEMORY";
constexpr const char* kInternal = "ERR_FAISS_INTERNAL";

/// Throws a CodedError whose message is the concatenation of `parts`.
template <typename... Parts>
[[noreturn]] void fail(const char* code, const Parts&... parts) {
  std::ostringstream message;
  (message << ... << parts);
  throw CodedError(code, message.str());
}

}  // namespace geo2
