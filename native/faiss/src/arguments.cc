#include "arguments.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "errors.h"

namespace geo2 {
namespace {

constexpr double kGreatestWhole = 9007199254740991;  // 2^53 - 1

template <typename Array>
std::vector<Row> whole_numbers(const Array& array, const char* name) {
  std::vector<Row> numbers(array.ElementLength());
  const auto* data = array.Data();
  for (size_t i = 0; i < numbers.size(); ++i) {
    const double number = static_cast<double>(data[i]);
    if (!(std::abs(number) <= kGreatestWhole) || number != std::trunc(number)) {
      fail(kInvalidArgument, name, " must hold whole numbers; number ", i, " is ", number, ".");
    }
    numbers[i] = static_cast<Row>(number);
  }
  return numbers;
}

std::vector<uint8_t> bytes(const Napi::Value& value, const char* name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    fail(kInvalidArgument, name, " must be a Uint8Array.");
  }
  const auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

RowsPtr tiles(const Napi::Object& object) {
  const Row per_tile = whole_number(object.Get("rowsPerTile"), "rows.rowsPerTile", 1);
  const Napi::Value offset = object.Get("offset");
  const Row one = offset.IsUndefined() ? -1 : whole_number(offset, "rows.offset", 0);
  if (one >= per_tile) {
    fail(kInvalidArgument, "rows.offset must be smaller than rows.rowsPerTile (", per_tile, "), not ", one, ".");
  }
  return tile_rows(row_numbers(object.Get("tiles"), "rows.tiles"), per_tile, one);
}

RowsPtr stride(const Napi::Object& object) {
  const Row every = whole_number(object.Get("every"), "rows.every", 1);
  const Napi::Value given = object.Get("offset");
  const Row offset = given.IsUndefined() ? 0 : whole_number(given, "rows.offset", 0);
  if (offset >= every) {
    fail(kInvalidArgument, "rows.offset must be smaller than rows.every (", every, "), not ", offset, ".");
  }
  return stride_rows(offset, every);
}

RowsPtr all_of(const Napi::Object& object, int depth);

RowsPtr selection(const Napi::Value& value, int depth) {
  if (!value.IsObject() || !value.As<Napi::Object>().Get("type").IsString()) {
    fail(kInvalidArgument, "rows must be an object with a type: range, list, bitmap, stride, tiles or all-of.");
  }
  const auto object = value.As<Napi::Object>();
  const std::string type = object.Get("type").As<Napi::String>().Utf8Value();
  if (type == "range") {
    const Row from = whole_number(object.Get("from"), "rows.from", 0);
    return range_rows(from, whole_number(object.Get("to"), "rows.to", 0));
  }
  if (type == "list") return listed_rows(row_numbers(object.Get("rows"), "rows.rows"));
  if (type == "bitmap") return bitmap_rows(bytes(object.Get("bitmap"), "rows.bitmap"));
  if (type == "stride") return stride(object);
  if (type == "tiles") return tiles(object);
  if (type == "all-of") return all_of(object, depth);
  fail(kInvalidArgument, "rows.type must be range, list, bitmap, stride, tiles or all-of, not '", type, "'.");
}

RowsPtr all_of(const Napi::Object& object, int depth) {
  const Napi::Value parts = object.Get("parts");
  if (!parts.IsArray() || parts.As<Napi::Array>().Length() == 0) {
    fail(kInvalidArgument, "rows.parts must be a list of at least one selection.");
  }
  if (depth >= 8) fail(kInvalidArgument, "rows must not be nested deeper than 8 selections.");
  std::vector<RowsPtr> selections;
  const auto list = parts.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) selections.push_back(selection(list.Get(i), depth + 1));
  return intersection(std::move(selections));
}

}  // namespace

Row whole_number(const Napi::Value& value, const char* name, Row least) {
  if (!value.IsNumber()) fail(kInvalidArgument, name, " must be a whole number of at least ", least, ".");
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= static_cast<double>(least) && number <= kGreatestWhole) || number != std::trunc(number)) {
    fail(kInvalidArgument, name, " must be a whole number of at least ", least, ", not ", number, ".");
  }
  return static_cast<Row>(number);
}

std::vector<float> vectors(const Napi::Value& value, const char* name, int dimension) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_float32_array) {
    fail(kInvalidArgument, name, " must be a Float32Array.");
  }
  const auto array = value.As<Napi::Float32Array>();
  const size_t length = array.ElementLength();
  if (length == 0 || length % dimension != 0) {
    fail(kDimension, name, " must hold one or more vectors of ", dimension, " numbers each; it holds ", length,
         " numbers.");
  }
  return {array.Data(), array.Data() + length};
}

void check_finite(const std::vector<float>& vectors, const char* name, int dimension) {
  constexpr uint32_t exponent = 0x7f800000;  // all set in a NaN and an infinity; integers, so that the loop vectorises
  uint32_t found = 0;
  for (const float& number : vectors) {
    uint32_t bits = 0;
    std::memcpy(&bits, &number, sizeof bits);
    found |= static_cast<uint32_t>((bits & exponent) == exponent);
  }
  if (found == 0) return;
  for (size_t i = 0; i < vectors.size(); ++i) {
    if (std::isfinite(vectors[i])) continue;
    fail(kNotFinite, name, " must hold finite numbers; number ", i % dimension, " of vector ", i / dimension, " is ",
         std::isnan(vectors[i]) ? "NaN" : "infinite", ".");
  }
}

std::vector<Row> row_numbers(const Napi::Value& value, const char* name) {
  const auto type = value.IsTypedArray() ? value.As<Napi::TypedArray>().TypedArrayType() : napi_uint8_array;
  if (type == napi_int32_array) return whole_numbers(value.As<Napi::Int32Array>(), name);
  if (type == napi_float64_array) return whole_numbers(value.As<Napi::Float64Array>(), name);
  fail(kInvalidArgument, name, " must be an Int32Array or a Float64Array of whole numbers.");
}

RowsPtr rows(const Napi::Value& value) { return value.IsUndefined() ? nullptr : selection(value, 0); }

}  // namespace geo2
