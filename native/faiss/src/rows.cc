#include "rows.h"

#include <algorithm>
#include <utility>

namespace geo2 {
namespace {

void sort_unique(std::vector<Row>& rows) {
  if (!std::is_sorted(rows.begin(), rows.end())) std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
}

bool holds(const std::vector<Row>& sorted, Row row) { return std::binary_search(sorted.begin(), sorted.end(), row); }

class RangeRows final : public Rows {
 public:
  RangeRows(Row from, Row to) : from_(std::max<Row>(from, 0)), to_(to) {}
  bool is_member(Row row) const override { return row >= from_ && row < to_; }
  Row bound(Row size) const override { return std::max<Row>(0, std::min(to_, size) - from_); }
  void collect(Row size, std::vector<Row>& out) const override {
    for (Row row = from_, end = std::min(to_, size); row < end; ++row) out.push_back(row);
  }

 private:
  Row from_, to_;
};

class ListedRows final : public Rows {
 public:
  explicit ListedRows(std::vector<Row> rows) : rows_(std::move(rows)) { sort_unique(rows_); }
  bool is_member(Row row) const override { return holds(rows_, row); }
  Row bound(Row size) const override { return std::min<Row>(size, static_cast<Row>(rows_.size())); }
  void collect(Row size, std::vector<Row>& out) const override {
    const auto first = std::lower_bound(rows_.begin(), rows_.end(), Row{0});
    out.insert(out.end(), first, std::lower_bound(first, rows_.end(), size));
  }

 private:
  std::vector<Row> rows_;
};

class BitmapRows final : public Rows {
 public:
  explicit BitmapRows(std::vector<uint8_t> bitmap) : bitmap_(std::move(bitmap)) {}
  bool is_member(Row row) const override {
    return row >= 0 && row < covered() && ((bitmap_[row >> 3] >> (row & 7)) & 1) != 0;
  }
  Row bound(Row size) const override { return std::min(size, covered()); }
  void collect(Row size, std::vector<Row>& out) const override {
    for (Row row = 0, end = std::min(size, covered()); row < end; ++row) {
      if ((row & 7) == 0 && bitmap_[row >> 3] == 0) {
        row += 7;
      } else if (is_member(row)) {
        out.push_back(row);
      }
    }
  }

 private:
  Row covered() const { return static_cast<Row>(bitmap_.size()) * 8; }
  std::vector<uint8_t> bitmap_;
};

class StrideRows final : public Rows {
 public:
  StrideRows(Row offset, Row every) : offset_(offset), every_(every) {}
  bool is_member(Row row) const override { return row >= 0 && row % every_ == offset_; }
  Row bound(Row size) const override { return size / every_ + 1; }
  void collect(Row size, std::vector<Row>& out) const override {
    for (Row row = offset_; row < size; row += every_) out.push_back(row);
  }

 private:
  Row offset_, every_;
};

class TileRows final : public Rows {
 public:
  TileRows(std::vector<Row> tiles, Row rows_per_tile, Row offset)
      : tiles_(std::move(tiles)), rows_per_tile_(rows_per_tile), offset_(offset) {
    sort_unique(tiles_);
    if (tiles_.empty() || tiles_.front() < 0 || tiles_.back() > kSparse * static_cast<Row>(tiles_.size())) return;
    is_tile_.resize(tiles_.back() + 1);
    for (const Row tile : tiles_) is_tile_[tile] = true;
  }
  bool is_member(Row row) const override {
    if (row < 0 || (offset_ >= 0 && row % rows_per_tile_ != offset_)) return false;
    const Row tile = row / rows_per_tile_;
    if (is_tile_.empty()) return holds(tiles_, tile);
    return tile < static_cast<Row>(is_tile_.size()) && is_tile_[tile];
  }
  Row bound(Row size) const override {
    return std::min<Row>(size, static_cast<Row>(tiles_.size()) * (offset_ < 0 ? rows_per_tile_ : 1));
  }
  void collect(Row size, std::vector<Row>& out) const override {
    const Row tiles = (size + rows_per_tile_ - 1) / rows_per_tile_;
    for (const Row tile : tiles_) {
      if (tile < 0) continue;
      if (tile >= tiles) break;  // sorted; also keeps the product below from overflowing
      const Row first = tile * rows_per_tile_ + std::max<Row>(offset_, 0);
      const Row end = offset_ < 0 ? first + rows_per_tile_ : first + 1;
      for (Row row = first; row < std::min(end, size); ++row) out.push_back(row);
    }
  }

 private:
  /// Greatest tile for each of them up to which they are also kept as bits.
  static constexpr Row kSparse = 1024;
  std::vector<Row> tiles_;
  std::vector<bool> is_tile_;
  Row rows_per_tile_, offset_;
};

class Intersection final : public Rows {
 public:
  explicit Intersection(std::vector<RowsPtr> parts) : parts_(std::move(parts)) {}
  bool is_member(Row row) const override {
    return std::all_of(parts_.begin(), parts_.end(), [row](const RowsPtr& part) { return part->is_member(row); });
  }
  Row bound(Row size) const override { return smallest(size)->bound(size); }
  void collect(Row size, std::vector<Row>& out) const override {
    const Rows* base = smallest(size);
    std::vector<Row> rows;
    base->collect(size, rows);
    for (const Row row : rows) {
      if (is_member(row)) out.push_back(row);
    }
  }

 private:
  const Rows* smallest(Row size) const {
    return std::min_element(parts_.begin(), parts_.end(),
                            [size](const RowsPtr& a, const RowsPtr& b) { return a->bound(size) < b->bound(size); })
        ->get();
  }
  std::vector<RowsPtr> parts_;
};

}  // namespace

RowsPtr range_rows(Row from, Row to) { return std::make_shared<RangeRows>(from, to); }
RowsPtr listed_rows(std::vector<Row> rows) { return std::make_shared<ListedRows>(std::move(rows)); }
RowsPtr bitmap_rows(std::vector<uint8_t> bitmap) { return std::make_shared<BitmapRows>(std::move(bitmap)); }
RowsPtr stride_rows(Row offset, Row every) { return std::make_shared<StrideRows>(offset, every); }
RowsPtr tile_rows(std::vector<Row> tiles, Row rows_per_tile, Row offset) {
  return std::make_shared<TileRows>(std::move(tiles), rows_per_tile, offset);
}
RowsPtr intersection(std::vector<RowsPtr> parts) { return std::make_shared<Intersection>(std::move(parts)); }

}  // namespace geo2
