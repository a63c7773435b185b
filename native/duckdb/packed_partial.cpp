#include "packed_partial.h"

#include <algorithm>
#include <bit>

#include "settings.h"
#include "text.h"

namespace hinge_embedding_loss::duckdb {

namespace {

// "HEL" and 1, or 2 if it is weighted; the policy; the margin as a double; the labels; positives, negatives,
// active, others; for each class the length and the bytes of its sum; if it is weighted, those of the weights
// of negatives, others and positives. The first byte of the double is the lowest. Other numbers are in groups
// of 7 bits, the lowest first, with the upper bit set in all bytes but the last.
constexpr std::string_view kBegin = "HEL\1", kWeightedBegin = "HEL\2";

// Labels may be negative.
uint64_t zigzag(int32_t label) {
  return static_cast<uint32_t>(label) << 1 ^ static_cast<uint32_t>(label >> 31);
}
double label_of(uint64_t zigzagged) {
  const double half = static_cast<double>(zigzagged >> 1);
  return zigzagged & 1 ? -half - 1 : half;
}

char* write_varint(char* at, uint64_t number) {
  for (; number >= 0x80; number >>= 7) *at++ = static_cast<char>(number | 0x80);
  *at++ = static_cast<char>(number);
  return at;
}

template <class Sum>
char* write_sum(char* at, const Sum& sum) {
  char bytes[Sum::kMaxTextLength];
  const char* const end = sum.write_bytes(bytes);
  return std::copy<const char*>(bytes, end, write_varint(at, static_cast<uint64_t>(end - bytes)));
}

// Its functions return false for bytes that pack never writes.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  bool read(size_t size, std::string_view& bytes) {
    if (rest_.size() < size) return false;
    bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return true;
  }

  bool read(uint64_t& number) {
    number = 0;
    for (int shift = 0; shift < 63; shift += 7) {
      if (rest_.empty()) return false;
      const auto byte = static_cast<uint8_t>(rest_[0]);
      rest_.remove_prefix(1);
      number |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return byte != 0 || shift == 0;  // a group of zeros at the end is superfluous
    }
    return false;
  }

  bool read(double& value) {
    std::string_view bytes;
    if (!read(sizeof value, bytes)) return false;
    uint64_t bits = 0;
    for (size_t i = bytes.size(); i-- > 0;) bits = bits << 8 | static_cast<uint8_t>(bytes[i]);
    value = std::bit_cast<double>(bits);
    return value != 0 || bits == 0;  // a margin is never −0
  }

  template <int kLowestExponent, int kMaxBits>
  bool read(BasicExactSum<kLowestExponent, kMaxBits>& sum) {
    uint64_t size;
    std::string_view bytes;
    return read(size) && read(size, bytes) &&
           BasicExactSum<kLowestExponent, kMaxBits>::from_bytes(bytes, sum);
  }

  bool is_at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

}  // namespace

char* pack(char* at, const Partial& partial) {
  const Counts& counts = partial.counts();
  const Settings& settings = partial.settings;
  at = write_text(at, partial.weighted ? kWeightedBegin : kBegin);
  *at++ = static_cast<char>(settings.policy);
  for (int i = 0; i < 8; i++) *at++ = static_cast<char>(std::bit_cast<uint64_t>(settings.margin) >> (8 * i));
  for (const int32_t label : {settings.positive_label, settings.negative_label}) {
    at = write_varint(at, zigzag(label));
  }
  for (const uint64_t count : {counts.positives, counts.negatives, counts.active, counts.others}) {
    at = write_varint(at, count);
  }
  if (partial.weighted) {
    for (const ProductSum& sum : partial.weighted->sums) at = write_sum(at, sum);
    for (const ExactSum& weight : partial.weighted->weights) at = write_sum(at, weight);
  } else {
    for (const ExactSum& sum : partial.totals.sums) at = write_sum(at, sum);
  }
  return at;
}

bool unpack(std::string_view bytes, Partial& partial) {
  Reader reader(bytes);
  std::string_view begin, policy;
  double margin;
  uint64_t labels[2];
  const auto read_totals = [&](auto& totals) {
    return reader.read(totals.positives) && reader.read(totals.negatives) && reader.read(totals.active) &&
           reader.read(totals.others) && reader.read(totals.sums[0]) && reader.read(totals.sums[1]);
  };
  bool is_read = reader.read(kBegin.size(), begin) && (begin == kBegin || begin == kWeightedBegin) &&
                 reader.read(1, policy) && reader.read(margin) && reader.read(labels[0]) &&
                 reader.read(labels[1]);
  if (!is_read) return false;
  if (begin == kWeightedBegin) {
    WeightedTotals& totals = partial.weighted.emplace();
    is_read = read_totals(totals) && reader.read(totals.weights[0]) && reader.read(totals.weights[1]) &&
              reader.read(totals.weights[2]);
  } else {
    partial.weighted.reset();
    is_read = read_totals(partial.totals);
  }
  is_read = is_read && reader.is_at_end();
  if (!is_read || static_cast<uint8_t>(policy[0]) > static_cast<uint8_t>(OtherLabelPolicy::kIgnore))
    return false;
  const auto other_labels = static_cast<OtherLabelPolicy>(policy[0]);
  const std::string error = read_settings(margin, label_of(labels[0]), label_of(labels[1]),
                                          name_of(other_labels), partial.settings);
  return error.empty() && is_valid(partial);
}

}  // namespace hinge_embedding_loss::duckdb
