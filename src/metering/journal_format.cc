#include "metering/internal/journal_format.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/hash.h"

namespace tg::journal {
namespace {

/// At most kEventTextMax bytes of `text`, not ending within a character. Text that is not UTF-8 is
/// cut at the limit.
std::string_view bounded(std::string_view text) {
    if (text.size() <= kEventTextMax) return text;
    const auto is_tail = [&](std::size_t i) {
        return (static_cast<unsigned char>(text[i]) & 0xc0) == 0x80;
    };
    std::size_t cut = kEventTextMax;
    for (int back = 0; back < 3 && is_tail(cut); ++back) --cut;
    return text.substr(0, is_tail(cut) ? kEventTextMax : cut);
}

class Writer {
  public:
    explicit Writer(std::uint8_t* at) : at_(at) {}
    template <typename T>
    void put(T value) {
        static_assert(std::is_integral_v<T>);
        std::memcpy(at_, &value, sizeof value);
        at_ += sizeof value;
    }
    void put(const RequestId& id) {
        put(id.high);
        put(id.low);
    }
    void put(const Payer& payer) {
        put(payer.customer.get());
        put(payer.project.get());
        put(payer.key.get());
    }
    void put_varint(std::uint64_t value) {
        for (; value >= 0x80; value >>= 7) *at_++ = static_cast<std::uint8_t>(value | 0x80);
        *at_++ = static_cast<std::uint8_t>(value);
    }
    void put_text(std::string_view text) {
        text = bounded(text);
        *at_++ = static_cast<std::uint8_t>(text.size());
        if (!text.empty()) std::memcpy(at_, text.data(), text.size());
        at_ += text.size();
    }
    void put_usage(const Usage& usage) {
        std::uint8_t* const count = at_++;
        *count = 0;
        for (std::size_t i = 0; i < usage.quantity.size(); ++i) {
            if (usage.quantity[i] == 0) continue;
            *at_++ = static_cast<std::uint8_t>(i);
            put_varint(static_cast<std::uint64_t>(usage.quantity[i]));
            ++*count;
        }
    }
    std::uint8_t* at() const { return at_; }

  private:
    std::uint8_t* at_;
};

/// Reads a payload; after the first lack of bytes everything is zero and `is_short()`.
class Reader {
  public:
    Reader(const std::uint8_t* at, const std::uint8_t* end) : at_(at), end_(end) {}
    template <typename T>
    T get() {
        T value{};
        if (!has(sizeof value)) return value;
        std::memcpy(&value, at_, sizeof value);
        at_ += sizeof value;
        return value;
    }
    RequestId get_id() {
        RequestId id;
        id.high = get<std::uint64_t>();
        id.low = get<std::uint64_t>();
        return id;
    }
    Payer get_payer() {
        Payer payer;
        payer.customer = CustomerId(get<std::uint32_t>());
        payer.project = ProjectId(get<std::uint32_t>());
        payer.key = KeyId(get<std::uint32_t>());
        return payer;
    }
    std::string_view get_text() {
        const auto size = get<std::uint8_t>();
        if (!has(size)) return {};
        const std::string_view text(reinterpret_cast<const char*>(at_), size);
        at_ += size;
        return text;
    }
    std::uint64_t get_varint() {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            const auto byte = get<std::uint8_t>();
            if (shift == 63 && byte > 1) break;
            value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
            if (byte < 0x80) return value;
        }
        is_short_ = true;
        return 0;
    }
    bool is_short() const { return is_short_; }
    /// Only padding is left.
    bool is_at_end() const {
        return end_ - at_ < 8 && std::all_of(at_, end_, [](std::uint8_t b) { return b == 0; });
    }

  private:
    bool has(std::size_t size) {
        if (static_cast<std::size_t>(end_ - at_) < size) {
            is_short_ = true;
            at_ = end_;
        }
        return !is_short_;
    }
    const std::uint8_t* at_;
    const std::uint8_t* end_;
    bool is_short_ = false;
};

constexpr const char* kUnknownValue =
    "holds a value this version of the program does not know (was it written by a newer one?)";

const char* decode_usage(Reader& in, Usage* usage) {
    *usage = Usage{};
    const auto count = in.get<std::uint8_t>();
    int last = -1;
    for (int i = 0; i < count && !in.is_short(); ++i) {
        const auto meter = in.get<std::uint8_t>();
        if (meter >= kMeterCount) return kUnknownValue;
        if (meter <= last) return "its usage meters are not in ascending order";
        last = meter;
        usage->quantity[meter] = static_cast<std::int64_t>(in.get_varint());
    }
    return nullptr;
}

const char* decode_reserved(Reader& in, ReservedRecord* out) {
    out->id = in.get_id();
    out->started_at.micros = in.get<std::int64_t>();
    out->payer = in.get_payer();
    out->price_version = PriceVersionId(in.get<std::uint32_t>());
    out->estimated_input_tokens = in.get<std::int64_t>();
    out->estimated_output_tokens = in.get<std::int64_t>();
    out->flags = in.get<std::uint16_t>();
    const auto endpoint = in.get<std::uint8_t>(), tier = in.get<std::uint8_t>();
    if (endpoint >= kEndpointCount || tier >= kServiceTierCount) return kUnknownValue;
    out->endpoint = static_cast<Endpoint>(endpoint);
    out->tier = static_cast<ServiceTier>(tier);
    out->model = in.get_text();
    out->deployment = in.get_text();
    out->provider = in.get_text();
    out->region = in.get_text();
    out->end_user = in.get_text();
    return nullptr;
}

const char* decode_settled(Reader& in, std::uint8_t version, UsageEvent* out) {
    out->id = in.get_id();
    out->started_at.micros = in.get<std::int64_t>();
    out->ended_at.micros = in.get<std::int64_t>();
    out->payer = in.get_payer();
    out->price_version = PriceVersionId(in.get<std::uint32_t>());
    out->first_byte_ms = in.get<std::uint32_t>();
    out->http_status = in.get<std::uint16_t>();
    out->flags = in.get<std::uint16_t>();
    out->attempts = in.get<std::uint16_t>();
    const auto endpoint = in.get<std::uint8_t>(), tier = in.get<std::uint8_t>();
    const auto source = in.get<std::uint8_t>(), outcome = in.get<std::uint8_t>();
    if (endpoint >= kEndpointCount || tier >= kServiceTierCount || outcome >= kOutcomeCount ||
        source > static_cast<std::uint8_t>(UsageSource::unconfirmed)) {
        return kUnknownValue;
    }
    out->endpoint = static_cast<Endpoint>(endpoint);
    out->tier = static_cast<ServiceTier>(tier);
    out->source = static_cast<UsageSource>(source);
    out->outcome = static_cast<Outcome>(outcome);
    if (const char* reason = decode_usage(in, &out->usage)) return reason;
    out->model = in.get_text();
    out->upstream_model = in.get_text();
    out->deployment = in.get_text();
    out->provider = in.get_text();
    out->region = in.get_text();
    out->end_user = in.get_text();
    out->upstream_request_id = in.get_text();
    out->asked_model = {};
    if (version < kRecordVersionAskedModel) return nullptr;
    out->asked_model = in.get_text();
    return out->asked_model.empty() && !in.is_short() ? "its asked model is empty" : nullptr;
}

std::uint32_t crc_of(const FrameHeader& header, std::uint32_t payload_crc) {
    const std::uint32_t crc = crc32c(&header.length, sizeof header.length, payload_crc);
    return crc32c(&header.meta, sizeof header.meta + sizeof header.recorded_at, crc);
}

bool is_zero(const std::uint8_t* from, const std::uint8_t* to) {
    return std::all_of(from, to, [](std::uint8_t b) { return b == 0; });
}

}  // namespace

std::uint32_t crc_of(const SegmentIdentity& identity) {
    return crc32c(&identity, offsetof(SegmentIdentity, crc));
}

std::uint32_t crc_of(const SegmentState& state, std::uint32_t segment) {
    return crc32c(&state, offsetof(SegmentState, crc), segment);
}

void write_identity(std::uint8_t* page, std::uint32_t segment, UtcMicros created_at) {
    SegmentIdentity identity{kMagic, kFormatVersion, segment, created_at.micros, 0, 0};
    identity.crc = crc_of(identity);
    std::memcpy(page, &identity, sizeof identity);
}

const char* parse_header(const std::uint8_t* page, std::uint32_t segment, SegmentHeader* header,
                         std::uint32_t* offset) {
    *offset = 0;
    SegmentIdentity& identity = header->identity;
    std::memcpy(&identity, page, sizeof identity);
    if (identity.magic != kMagic) return "this is not a journal segment (wrong first bytes)";
    if (identity.crc != crc_of(identity))
        return "the checksum of the segment header does not match";
    *offset = offsetof(SegmentIdentity, format_version);
    if (identity.format_version != kFormatVersion) {
        return "the segment's format version is not known to this version of the program";
    }
    *offset = offsetof(SegmentIdentity, segment);
    if (identity.segment != segment)
        return "the segment number inside differs from the file's name";
    header->state = SegmentState{};
    bool has_unwritten = false;
    std::uint32_t from = sizeof identity;
    for (const std::uint32_t at : kStateOffsets) {
        *offset = from;
        if (!is_zero(page + from, page + at))
            return "unused bytes of the segment header are not zero";
        from = at + sizeof(SegmentState);
        SegmentState state{};
        std::memcpy(&state, page + at, sizeof state);
        if (is_zero(page + at, page + from)) {
            has_unwritten = true;
        } else if (state.crc == crc_of(state, segment) &&
                   state.generation > header->state.generation) {
            header->state = state;
        }
    }
    *offset = from;
    if (!is_zero(page + from, page + kHeaderBytes))
        return "unused bytes of the segment header are not zero";
    *offset = kStateOffsets[0];
    if (!header->is_started() && !has_unwritten)
        return "both copies of the segment's state are damaged";
    return nullptr;
}

FrameHeader frame_header(const std::uint8_t* frame) {
    FrameHeader header{};
    std::memcpy(&header, frame, sizeof header);
    return header;
}

void RecordBuffer::finish(std::uint8_t kind, std::uint8_t* end) {
    const auto used = static_cast<std::uint32_t>(end - bytes_.data());
    length_ = align8(used);
    TG_ASSERT(length_ <= bytes_.size());
    std::memset(end, 0, length_ - used);
    kind_ = kind;
    version_ = kRecordVersion;
    payload_crc_ = crc32c(bytes_.data() + kFrameBytes, length_ - kFrameBytes);
}

void RecordBuffer::encode(const ReservedRecord& record) {
    Writer out(bytes_.data() + kFrameBytes);
    out.put(record.id);
    out.put(record.started_at.micros);
    out.put(record.payer);
    out.put(record.price_version.get());
    out.put(record.estimated_input_tokens);
    out.put(record.estimated_output_tokens);
    out.put(record.flags);
    out.put(static_cast<std::uint8_t>(record.endpoint));
    out.put(static_cast<std::uint8_t>(record.tier));
    for (const std::string_view text :
         {record.model, record.deployment, record.provider, record.region, record.end_user}) {
        out.put_text(text);
    }
    finish(static_cast<std::uint8_t>(RecordKind::reserved), out.at());
}

void RecordBuffer::encode(const UsageEvent& event) {
    Writer out(bytes_.data() + kFrameBytes);
    out.put(event.id);
    out.put(event.started_at.micros);
    out.put(event.ended_at.micros);
    out.put(event.payer);
    out.put(event.price_version.get());
    out.put(event.first_byte_ms);
    out.put(event.http_status);
    out.put(event.flags);
    out.put(event.attempts);
    out.put(static_cast<std::uint8_t>(event.endpoint));
    out.put(static_cast<std::uint8_t>(event.tier));
    out.put(static_cast<std::uint8_t>(event.source));
    out.put(static_cast<std::uint8_t>(event.outcome));
    out.put_usage(event.usage);
    for (const std::string_view text :
         {event.model, event.upstream_model, event.deployment, event.provider, event.region,
          event.end_user, event.upstream_request_id}) {
        out.put_text(text);
    }
    if (!event.asked_model.empty()) out.put_text(event.asked_model);
    finish(static_cast<std::uint8_t>(RecordKind::settled), out.at());
    if (!event.asked_model.empty()) version_ = kRecordVersionAskedModel;
}

void RecordBuffer::encode_abandoned(const RequestId& id, UtcMicros at) {
    Writer out(bytes_.data() + kFrameBytes);
    out.put(id);
    out.put(at.micros);
    finish(static_cast<std::uint8_t>(RecordKind::abandoned), out.at());
}

void RecordBuffer::encode_segment_end() {
    finish(kKindSegmentEnd, bytes_.data() + kFrameBytes);
}

void RecordBuffer::seal(std::uint64_t sequence, UtcMicros recorded_at) {
    FrameHeader header{length_, 0, kind_ | std::uint64_t{version_} << 8 | sequence << 16,
                       recorded_at.micros};
    header.crc = crc_of(header, payload_crc_);
    std::memcpy(bytes_.data(), &header, sizeof header);
}

void fix_frame_crc(std::uint8_t* frame) {
    FrameHeader header = frame_header(frame);
    header.crc = crc_of(header, crc32c(frame + kFrameBytes, header.length - kFrameBytes));
    std::memcpy(frame, &header, sizeof header);
}

const char* check_frame(const std::uint8_t* frame, std::uint64_t available) {
    if (available < kFrameBytes) return "the file ends within a record";
    const FrameHeader header = frame_header(frame);
    if (header.length < kFrameBytes || header.length > kFrameBytesMax || header.length % 8 != 0) {
        return "the length of the record cannot be";
    }
    if (header.length > available) return "the record runs past the end of the file";
    if (header.crc != crc_of(header, crc32c(frame + kFrameBytes, header.length - kFrameBytes))) {
        return "the checksum of the record does not match";
    }
    return nullptr;
}

const char* decode_record(const std::uint8_t* frame, JournalRecord* record) {
    const FrameHeader header = frame_header(frame);
    const bool is_settled = header.kind() == static_cast<std::uint8_t>(RecordKind::settled);
    const bool is_known = header.version() == kRecordVersion ||
                          (is_settled && header.version() == kRecordVersionAskedModel);
    if (!is_known) return kUnknownValue;
    record->recorded_at.micros = header.recorded_at;
    Reader in(frame + kFrameBytes, frame + header.length);
    const char* reason = nullptr;
    switch (header.kind()) {
        case static_cast<std::uint8_t>(RecordKind::reserved):
            record->kind = RecordKind::reserved;
            reason = decode_reserved(in, &record->reserved);
            break;
        case static_cast<std::uint8_t>(RecordKind::settled):
            record->kind = RecordKind::settled;
            reason = decode_settled(in, header.version(), &record->event);
            break;
        case static_cast<std::uint8_t>(RecordKind::abandoned):
            record->kind = RecordKind::abandoned;
            record->abandoned_id = in.get_id();
            record->abandoned_at.micros = in.get<std::int64_t>();
            break;
        default:
            return kUnknownValue;
    }
    if (reason != nullptr) return reason;
    if (in.is_short()) return "the record's payload is shorter than its fields";
    if (!in.is_at_end()) return "the record's payload is longer than its fields";
    return nullptr;
}

}  // namespace tg::journal
