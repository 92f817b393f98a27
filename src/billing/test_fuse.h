#pragma once
// For tests: a store connection that breaks when it is told to. Never included by product code.
#include <memory>

#include "store/sql.h"

namespace tg {

/// A connection that dies at its n-th call, before or after the call has been carried out, and
/// stays dead.
struct Fuse {
    int calls_left = -1;  ///< negative: never
    bool is_after = false;
    int calls = 0;
};
class FragileConnection final : public SqlConnection {
  public:
    FragileConnection(std::unique_ptr<SqlConnection> real, Fuse* fuse)
        : real_(std::move(real)), fuse_(fuse) {}
    Dialect dialect() const override { return real_->dialect(); }
    Result<std::int64_t> execute(std::string_view sql, std::span<const SqlValue> values) override {
        return guard<Result<std::int64_t>>([&] { return real_->execute(sql, values); });
    }
    Status execute_script(std::string_view sql) override {
        return guard<Status>([&] { return real_->execute_script(sql); });
    }
    Status query(std::string_view sql, std::span<const SqlValue> values,
                 const std::function<bool(const SqlRow&)>& row) override {
        return guard<Status>([&] { return real_->query(sql, values, row); });
    }
    Status begin() override {
        return guard<Status>([&] { return real_->begin(); });
    }
    Status commit() override {
        return guard<Status>([&] { return real_->commit(); });
    }
    Status rollback() override { return real_->rollback(); }
    Result<std::int64_t> data_version() override { return real_->data_version(); }
    Result<std::unique_ptr<BulkInsert>> bulk_insert(
        std::string_view table, std::span<const std::string_view> columns) override {
        using Opened = Result<std::unique_ptr<BulkInsert>>;
        Opened real = guard<Opened>([&] { return real_->bulk_insert(table, columns); });
        if (!real.ok()) return real;
        return std::unique_ptr<BulkInsert>(std::make_unique<Bulk>(this, std::move(*real)));
    }

    Status bulk_read(std::string_view table, std::span<const std::string_view> columns,
                     std::int64_t first, std::int64_t last,
                     const std::function<bool(const BulkRow&)>& row) override {
        return guard<Status>([&] { return real_->bulk_read(table, columns, first, last, row); });
    }

  private:
    class Bulk final : public BulkInsert {
      public:
        Bulk(FragileConnection* owner, std::unique_ptr<BulkInsert> real)
            : owner_(owner), real_(std::move(real)) {}
        void integer(std::int64_t value) override { real_->integer(value); }
        void text(std::string_view value) override { real_->text(value); }
        void null() override { real_->null(); }
        Status end_row() override {
            // PostgreSQL's rows wait in a buffer: nothing can fail.
            if (owner_->dialect() == Dialect::postgres) return real_->end_row();
            return owner_->guard<Status>([&] { return real_->end_row(); });
        }
        Status finish() override {
            return owner_->guard<Status>([&] { return real_->finish(); });
        }

      private:
        FragileConnection* owner_;
        std::unique_ptr<BulkInsert> real_;
    };

    template <typename R>
    R guard(const std::function<R()>& call) {
        ++fuse_->calls;
        const auto dead = [] { return fail(ErrorCode::store_unavailable, "pulled the plug"); };
        if (is_dead_) return dead();
        if (fuse_->calls_left == 0) {
            is_dead_ = true;
            fuse_->calls_left = -1;
            if (fuse_->is_after) (void)call().ok();
            return dead();
        }
        if (fuse_->calls_left > 0) --fuse_->calls_left;
        return call();
    }
    std::unique_ptr<SqlConnection> real_;
    Fuse* fuse_;
    bool is_dead_ = false;
};

}  // namespace tg
