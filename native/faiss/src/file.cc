#include "file.h"

#include <faiss/IndexIVF.h>
#include <faiss/impl/FaissException.h>
#include <faiss/impl/io.h>
#include <faiss/index_io.h>
#include <faiss/invlists/OnDiskInvertedLists.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <new>
#include <stdexcept>

#include "errors.h"
#include "flat.h"
#include "inspect.h"

namespace geo2 {
namespace {

[[noreturn]] void corrupt(const std::string& name, const std::string& why) {
  fail(kFileCorrupt, name, " is not a whole FAISS index: ", why, ".");
}

/// Watches what FAISS reads. FAISS reads the length of an array and makes room for it before it reads the array, so that one
/// flipped bit of a length takes all memory; no honest length is larger than the file.
class Lengths {
 public:
  Lengths(size_t whole, const std::string& name) : whole_(whole), name_(name) {}

  void look(const void* items, size_t size, size_t count) {
    if (size == sizeof(uint32_t) && count == 1) {
      // Behind these words stand the number of inverted lists and then the length of each.
      uint32_t word = 0;
      std::memcpy(&word, items, sizeof word);
      until_lengths_ = word == faiss::fourcc("full") || word == faiss::fourcc("sprs") ? 2 : 0;
      return;
    }
    if (size != sizeof(uint64_t)) return;
    const bool lengths = until_lengths_ == 1;
    if (until_lengths_ > 0) until_lengths_ -= 1;
    if (!lengths && count != 1) return;
    for (size_t i = 0; i < count; ++i) {
      uint64_t length = 0;
      std::memcpy(&length, static_cast<const uint8_t*>(items) + i * size, sizeof length);
      // A lone label of an inverted list reads like a length, and may be larger than a small file.
      if (length > whole_ && (lengths || length > kGreatestLabel)) corrupt(name_, "it is damaged");
    }
  }

 private:
  static constexpr uint64_t kGreatestLabel = uint64_t{1} << 28;
  size_t whole_;
  const std::string& name_;
  int until_lengths_ = 0;
};

// fourcc, d:i32, ntotal:i64, filler:i64 x 2, is_trained:u8, metric:i32, length in floats:u64
constexpr size_t kFlatHeaderBytes = 4 + 4 + 8 + 8 + 8 + 1 + 4 + 8;

/// `start`: the first `got` bytes, at most a header, of `whole`.
bool parse_flat_header(const uint8_t* start, size_t got, size_t whole, const std::string& name, FlatHeader& header) {
  if (got < 4 || (std::memcmp(start, "IxFI", 4) != 0 && std::memcmp(start, "IxF2", 4) != 0)) return false;
  if (got < kFlatHeaderBytes) corrupt(name, "it is cut off");
  int32_t metric = 0;
  uint64_t floats = 0;
  std::memcpy(&header.dimension, start + 4, sizeof header.dimension);
  std::memcpy(&header.count, start + 8, sizeof header.count);
  std::memcpy(&metric, start + 33, sizeof metric);
  std::memcpy(&floats, start + 37, sizeof floats);
  header.size = kFlatHeaderBytes;
  header.metric = start[3] == 'I' ? faiss::METRIC_INNER_PRODUCT : faiss::METRIC_L2;
  if (header.dimension < 1 || header.count < 0 || metric != static_cast<int32_t>(header.metric) || start[32] != 1) {
    corrupt(name, "its header is damaged");
  }
  const size_t held = whole - kFlatHeaderBytes;
  if (held % sizeof(float) != 0 || floats != held / sizeof(float) || floats % header.dimension != 0 ||
      floats / header.dimension != static_cast<uint64_t>(header.count)) {
    corrupt(name, "its length does not fit what it says it holds");
  }
  return true;
}

class FileReader final : public faiss::FileIOReader {  // FAISS maps inverted lists of this class only
 public:
  explicit FileReader(const OpenFile& file)
      : faiss::FileIOReader(file.stream()), file_(file), lengths_(file.size(), file.path()) {
    name = file.path();
  }
  size_t operator()(void* items, size_t size, size_t count) override {
    const size_t got = faiss::FileIOReader::operator()(items, size, count);
    if (got == count) lengths_.look(items, size, count);
    return got;
  }
  bool at_end() const { return std::ftell(f) == static_cast<long>(file_.size()); }

 private:
  const OpenFile& file_;
  Lengths lengths_;
};

class BytesReader final : public faiss::IOReader {
 public:
  explicit BytesReader(const std::vector<uint8_t>& bytes) : bytes_(bytes), lengths_(bytes.size(), name) {
    name = "The buffer";
  }
  size_t operator()(void* items, size_t size, size_t count) override {
    if (size == 0 || count == 0) return count;
    const size_t got = std::min(count, left() / size);
    if (got > 0) std::memcpy(items, bytes_.data() + at_, got * size);
    at_ += got * size;
    if (got == count) lengths_.look(items, size, count);
    return got;
  }
  size_t left() const { return bytes_.size() - at_; }
  bool at_end() const { return left() == 0; }

 private:
  const std::vector<uint8_t>& bytes_;
  Lengths lengths_;
  size_t at_ = 0;
};

template <typename Reader>
std::unique_ptr<faiss::Index> read_whole(Reader& reader, int flags) {
  std::unique_ptr<faiss::Index> index;
  try {
    index.reset(faiss::read_index(&reader, flags));
  } catch (const CodedError&) {
    throw;
  } catch (const faiss::FaissException& error) {
    corrupt(reader.name, sentence_of(error));
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    corrupt(reader.name, error.what());
  }
  if (!reader.at_end()) corrupt(reader.name, "its length does not fit what it says it holds");
  const std::string fault = fault_of(*index);
  if (!fault.empty()) corrupt(reader.name, fault);
  return index;
}

/// The inverted lists that are not in memory, or null.
faiss::OnDiskInvertedLists* lists_on_disk(const faiss::Index& index) {
  const auto* ivf = dynamic_cast<const faiss::IndexIVF*>(innermost(&index));
  return ivf == nullptr ? nullptr : dynamic_cast<faiss::OnDiskInvertedLists*>(ivf->invlists);
}

class BytesWriter final : public faiss::IOWriter {
 public:
  size_t operator()(const void* items, size_t size, size_t count) override {
    const auto* first = static_cast<const uint8_t*>(items);
    bytes.insert(bytes.end(), first, first + size * count);
    return count;
  }
  std::vector<uint8_t> bytes;
};

class FileWriter final : public faiss::IOWriter {
 public:
  explicit FileWriter(std::FILE* stream) : stream_(stream) {}
  size_t operator()(const void* items, size_t size, size_t count) override {
    if (size == 0 || count == 0) return count;
    const size_t written = std::fwrite(items, size, count, stream_);
    if (written != count) reason = errno;
    return written;
  }
  int reason = 0;

 private:
  std::FILE* stream_;
};

void write_to(const faiss::Index& index, faiss::IOWriter* writer) {
  if (const auto* mapped = dynamic_cast<const MappedFlat*>(&index)) {
    faiss::write_index(mapped->loaded().get(), writer);
  } else if (lists_on_disk(index) != nullptr) {
    fail(kUnsupported, "An inverted file that is mapped cannot be written; copy its file, or read it without mmap.");
  } else {
    faiss::write_index(&index, writer);
  }
}

}  // namespace

OpenFile::OpenFile(const std::string& path) : path_(path), stream_(std::fopen(path.c_str(), "rb")), size_(0) {
  if (stream_ == nullptr && (errno == ENOENT || errno == ENOTDIR)) fail(kFileMissing, "There is no file ", path, ".");
  if (stream_ == nullptr) fail(kIo, "Could not open ", path, ": ", std::strerror(errno), ".");
  struct stat status {};
  if (fstat(fileno(stream_), &status) != 0 || !S_ISREG(status.st_mode)) {
    std::fclose(stream_);
    fail(kIo, path, " is not a regular file.");
  }
  size_ = static_cast<size_t>(status.st_size);
}

OpenFile::~OpenFile() { std::fclose(stream_); }

int OpenFile::descriptor() const { return fileno(stream_); }

bool read_flat_header(const OpenFile& file, FlatHeader& header) {
  uint8_t start[kFlatHeaderBytes];
  const size_t got = std::fread(start, 1, sizeof start, file.stream());
  std::rewind(file.stream());
  return parse_flat_header(start, got, file.size(), file.path(), header);
}

ReadIndex read_file(const std::string& path, bool mmap) {
  if (mmap) {
    auto flat = MappedFlat::open(path);
    if (flat != nullptr) return {std::move(flat), true};
  }
  const OpenFile file(path);
  FlatHeader header;
  read_flat_header(file, header);  // stricter than FAISS
  FileReader reader(file);
  auto index = read_whole(reader, mmap ? faiss::IO_FLAG_MMAP : 0);
  auto* lists = lists_on_disk(*index);
  if (lists != nullptr && !mmap) fail(kUnsupported, path, " keeps its inverted lists in another file.");
  if (lists != nullptr) lists->prefetch_nthread = 0;  // 32 threads for each search that read ahead cost more than they bring
  return {std::move(index), mmap};
}

std::unique_ptr<faiss::Index> read_buffer(const std::vector<uint8_t>& bytes) {
  FlatHeader header;
  parse_flat_header(bytes.data(), std::min(bytes.size(), kFlatHeaderBytes), bytes.size(), "The buffer", header);
  BytesReader reader(bytes);
  return read_whole(reader, 0);
}

void write_file(const faiss::Index& index, const std::string& path) {
  static std::atomic<unsigned> serial{0};
  const std::string part = path + "." + std::to_string(getpid()) + "-" + std::to_string(serial++) + ".part";
  std::FILE* stream = std::fopen(part.c_str(), "wbx");
  if (stream == nullptr) fail(kIo, "Could not write ", path, ": ", std::strerror(errno), ".");
  FileWriter writer(stream);
  std::string refusal;
  try {
    write_to(index, &writer);
    if (std::fflush(stream) != 0 || fsync(fileno(stream)) != 0) writer.reason = errno;
  } catch (const faiss::FaissException& error) {
    refusal = sentence_of(error);
  } catch (...) {
    std::fclose(stream);
    std::remove(part.c_str());
    throw;
  }
  if (std::fclose(stream) != 0 && writer.reason == 0) writer.reason = errno;
  if (writer.reason == 0 && refusal.empty() && std::rename(part.c_str(), path.c_str()) != 0) writer.reason = errno;
  if (writer.reason == 0 && refusal.empty()) return;
  std::remove(part.c_str());
  if (writer.reason != 0) fail(kIo, "Could not write ", path, ": ", std::strerror(writer.reason), ".");
  fail(kUnsupported, "This index cannot be written: ", refusal, ".");
}

std::vector<uint8_t> write_buffer(const faiss::Index& index) {
  BytesWriter writer;
  write_to(index, &writer);
  return std::move(writer.bytes);
}

}  // namespace geo2
