// Reading and writing index files and buffers. A file that is damaged is refused; see README.md for what that covers.
#pragma once

#include <faiss/Index.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "rows.h"

namespace geo2 {

/// A regular file, open for reading; throws ERR_FAISS_FILE_MISSING or ERR_FAISS_IO.
class OpenFile {
 public:
  explicit OpenFile(const std::string& path);
  ~OpenFile();
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  std::FILE* stream() const { return stream_; }
  int descriptor() const;
  size_t size() const { return size_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::FILE* stream_;
  size_t size_;
};

struct FlatHeader {
  int32_t dimension;
  Row count;
  faiss::MetricType metric;
  /// Bytes before the first vector.
  size_t size;
};

/// Whether the file starts as a flat index; throws ERR_FAISS_FILE_CORRUPT when it does and the rest does not fit. Leaves the
/// stream at its start.
bool read_flat_header(const OpenFile& file, FlatHeader& header);

struct ReadIndex {
  std::unique_ptr<faiss::Index> index;
  /// The vectors stay in the file; the index must not be changed.
  bool mapped;
};

ReadIndex read_file(const std::string& path, bool mmap);
std::unique_ptr<faiss::Index> read_buffer(const std::vector<uint8_t>& bytes);

/// Writes beside `path`, then renames: a reader, or a process that maps the old file, never sees half of a new one.
void write_file(const faiss::Index& index, const std::string& path);
std::vector<uint8_t> write_buffer(const faiss::Index& index);

}  // namespace geo2
