// What can be said about an index without searching it.
#pragma once

#include <faiss/Index.h>
#include <faiss/impl/FaissException.h>

#include <string>

#include "rows.h"

namespace geo2 {

/// The index behind transforms of the vectors.
faiss::Index* innermost(faiss::Index* index);
const faiss::Index* innermost(const faiss::Index* index);

/// Why an index that was just read must not be used: its parts contradict each other, so that a search could read outside
/// of them. Empty when nothing is wrong.
std::string fault_of(const faiss::Index& index);

/// The greatest label that a row has, or -1; after removals an inverted file's labels have gaps.
Row greatest_label(const faiss::Index& index);

/// What FAISS said, without its file, line and trailing full stop.
std::string sentence_of(const faiss::FaissException& error);

}  // namespace geo2
