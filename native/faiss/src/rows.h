// Which rows of an index a search may return.
#pragma once

#include <faiss/impl/IDSelector.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace geo2 {

using Row = int64_t;

/// A set of rows. It is also a FAISS selector, for index types that take one while they search.
class Rows : public faiss::IDSelector {
 public:
  /// Appends the members below `size` to `out`, ascending, each once.
  virtual void collect(Row size, std::vector<Row>& out) const = 0;
  /// At most so many members below `size`; cheap.
  virtual Row bound(Row size) const = 0;
};

using RowsPtr = std::shared_ptr<const Rows>;

/// from <= row < to
RowsPtr range_rows(Row from, Row to);
/// The listed rows, in any order, repeated or not.
RowsPtr listed_rows(std::vector<Row> rows);
/// Row i is a member when bit i % 8 of byte i / 8 is set; rows beyond the bitmap are not.
RowsPtr bitmap_rows(std::vector<uint8_t> bitmap);
/// row % every == offset
RowsPtr stride_rows(Row offset, Row every);
/// Rows tile * rows_per_tile + r: all r of each tile, or only r == offset when offset >= 0.
RowsPtr tile_rows(std::vector<Row> tiles, Row rows_per_tile, Row offset);
/// The rows that all of `parts` hold; `parts` is not empty.
RowsPtr intersection(std::vector<RowsPtr> parts);

}  // namespace geo2
