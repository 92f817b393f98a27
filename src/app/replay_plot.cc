#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "app/replay_report.h"

namespace tg {
namespace {

// Okabe and Ito's colours ("Color universal design", 2008), which colour-blind readers can tell
// apart; on their middle lightness they stand out from white and from black.
constexpr std::array<const char*, 7> kColours = {"#d55e00", "#e69f00", "#56b4e9", "#cc79a7",
                                                 "#009e73", "#b0a030", "#808080"};
constexpr double kWidth = 960, kHeight = 620, kLeft = 70, kRight = 24, kPanelHeight = 220;
constexpr std::array<double, 2> kPanelTop = {70, 350};

std::string number(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f", value);
    return text;
}

/// The text of an element: names and file names may hold anything.
std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '<')
            out += "&lt;";
        else if (c == '>')
            out += "&gt;";
        else if (c == '&')
            out += "&amp;";
        else if (c == '"')
            out += "&quot;";
        else if (static_cast<unsigned char>(c) < 0x20)
            out += ' ';
        else
            out += c;
    }
    return out;
}

/// 1, 2 or 5 times a power of ten, so that at most `count` steps reach `most`.
double step_for(double most, int count) {
    const double rough = std::max(most / count, 1.0);
    const double power = std::pow(10, std::floor(std::log10(rough)));
    for (const double factor : {1.0, 2.0, 5.0})
        if (factor * power >= rough) return factor * power;
    return 10 * power;
}

using Value = std::int64_t (*)(const ReplayResult::Minute&);

class Panel {
  public:
    Panel(double top, double minutes, double most)
        : top_(top), minutes_(std::max(minutes, 1.0)), step_(step_for(most, 5)) {
        most_ = std::max(std::ceil(most / step_), 1.0) * step_;
    }
    double x(double minute) const { return kLeft + minute / minutes_ * (kWidth - kLeft - kRight); }
    double y(double value) const { return top_ + kPanelHeight * (1 - value / most_); }

    std::string axes(const std::string& title) const {
        std::string out = text(kLeft, top_ - 10, "start", title);
        for (double value = 0; value <= most_ + step_ / 2; value += step_) {
            out += line(kLeft, y(value), kWidth - kRight, y(value));
            out += text(kLeft - 8, y(value) + 4, "end", std::to_string(std::llround(value)));
        }
        const double step = step_for(minutes_, 12);
        for (double minute = 0; minute <= minutes_; minute += step) {
            out += line(x(minute), y(0), x(minute), y(0) + 5);
            out += text(x(minute), y(0) + 20, "middle", std::to_string(std::llround(minute)));
        }
        return out + text(kWidth - kRight, y(0) + 36, "end", "minute");
    }
    std::string curve(const ReplayResult& result, const char* colour, Value value) const {
        std::string out = "<polyline fill=\"none\" stroke-width=\"1.8\" stroke=\"" +
                          std::string(colour) + "\" points=\"";
        for (std::size_t i = 0; i < result.minutes.size(); ++i) {
            const double minute = std::min(static_cast<double>(i) + 0.5, minutes_);
            out += (i == 0 ? "" : " ") + number(x(minute)) + "," +
                   number(y(static_cast<double>(value(result.minutes[i]))));
        }
        return out + "\"/>\n";
    }
    static std::string text(double x, double y, const char* anchor, const std::string& what) {
        return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" text-anchor=\"" + anchor +
               "\">" + escaped(what) + "</text>\n";
    }

  private:
    static std::string line(double x1, double y1, double x2, double y2) {
        return "<line class=\"grid\" x1=\"" + number(x1) + "\" y1=\"" + number(y1) + "\" x2=\"" +
               number(x2) + "\" y2=\"" + number(y2) + "\"/>\n";
    }
    double top_, minutes_, step_, most_ = 1;
};

std::string panel(const ReplayReport& report, double top, const std::string& title, Value value) {
    std::int64_t most = 0;
    std::size_t minutes = 1;
    for (const ReplayRow& row : report.rows) {
        minutes = std::max(minutes, row.result.minutes.size());
        for (const ReplayResult::Minute& minute : row.result.minutes)
            most = std::max(most, value(minute));
    }
    const Panel area(top, static_cast<double>(minutes), static_cast<double>(most));
    std::string out = area.axes(title);
    for (std::size_t i = 0; i < report.rows.size(); ++i)
        out += area.curve(report.rows[i].result, kColours[i % kColours.size()], value);
    return out;
}

}  // namespace

std::string replay_plot(const ReplayReport& report) {
    std::string out = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + number(kWidth) +
                      " " + number(kHeight) +
                      "\" role=\"img\" font-family=\"sans-serif\" "
                      "font-size=\"12\">\n";
    // The ground is painted, so that the picture does not depend on what it is put on; a reader
    // whose programs are dark gets a dark one.
    out +=
        "<style>.ground{fill:#ffffff}text{fill:#222222}.grid{stroke:#cccccc;stroke-width:0.7}"
        "@media (prefers-color-scheme: dark){.ground{fill:#16181c}text{fill:#e6e6e6}"
        ".grid{stroke:#454a52}}</style>\n";
    out += "<rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n";
    out +=
        Panel::text(kLeft, 20, "start", report.trace + ", " + report.tier + ", " + report.upstream);
    double x = kLeft;
    for (std::size_t i = 0; i < report.rows.size(); ++i, x += 110) {
        out += "<rect x=\"" + number(x) + "\" y=\"32\" width=\"14\" height=\"10\" fill=\"" +
               kColours[i % kColours.size()] + "\"/>\n";
        out += Panel::text(x + 20, 41, "start", report.rows[i].name);
    }
    out += panel(report, kPanelTop[0], "served a minute",
                 [](const ReplayResult::Minute& it) { return it.served; });
    out += panel(report, kPanelTop[1], "429s a minute",
                 [](const ReplayResult::Minute& it) { return it.limit_hits; });
    return out + "</svg>\n";
}

}  // namespace tg
