-- Shares the levels of one group out to the processes of a fleet. One call is one atomic step over all levels it names.
--
-- A process holds so many units of each kind of a level; it keeps what it has used within the window, and what it may
-- still use, within that. What all hold together is never more than the limit: a unit goes to another process only
-- after its holder has said that it neither uses nor may use it any more, or can be known not to, being silent.
-- The proof is in docs/decisions/0008-fleet-limits.md.
--
-- KEYS[1]: a hash of the group. Fields: e = "run;epoch;started_ms"; m = "member,sequence,lease_end_ms,is_complete;...";
--   x = "member,...": of the epoch before; w = "level,at_ms;...": levels of which somebody lacks a share;
--   l:LEVEL = "known|RECORD|RECORD...", RECORD = member;served_ms;said_ms;HOLD;USED;DEMAND;NEED;UNSETTLED;LEAVING.
--   HOLD to UNSETTLED: five numbers, kinds in the order of LimitKind. LEAVING: for each windowed kind what of USED is left
--   after 1, 2 ... 11 of 12 steps of the window, kinds apart by "/", none where nothing is limited.
-- ARGV: 1 member, 2 sequence (grows with each call), 3 run (names this life of the server), 4 lease_ms, 5 window_ms,
--   6 margin_ms, 7 members known in the last epoch, 8 "leaving" or "", 9 the epoch in which all levels held have been named
--   by this call or before, or "", 10 "strict" or "", then for each level its name, its limits (-1: none) and
--   "HOLD;USED;DEMAND;NEED;UNSETTLED;LEAVING".
-- Reply: {"stale"} for a call that was overtaken, else {"ok", epoch, phase, members known, levels lacking, and for each
--   level "SHARE;USED BY OTHERS;is_final;is_pressed"}, is_pressed being 2 where slots of concurrency are short, which
--   change hands quickly. Phases: quiet (all say what they hold, nobody gets more),
--   recovering (some are missing, and what they hold is left alone), open.

local key, member, sequence, run = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3]
local lease, window, margin = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local is_leaving, is_strict = ARGV[8] ~= '', ARGV[10] ~= ''
local KINDS, CONCURRENCY, STEPS = 5, 5, 12

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function split(text, separator)
    local out = {}
    for piece in (text .. separator):gmatch('(.-)' .. separator) do out[#out + 1] = piece end
    return out
end
local function numbers(text)
    local out = {}
    for piece in text:gmatch('[^,]+') do out[#out + 1] = tonumber(piece) end
    return out
end
local function join(list)
    local out = {}
    for i = 1, #list do out[i] = string.format('%.0f', list[i]) end
    return table.concat(out, ',')
end

-- The epoch: a time in which somebody always had a lease, in one life of the server with its data. Where all leases have
-- run out it was the store that was away, and its members may have gone on without it.
local state = redis.call('HMGET', key, 'e', 'm', 'x', 'w')
local epoch, started, last_names = nil, nil, ''
if state[1] then
    local e = split(state[1], ';')
    local last_lease = 0
    for _, text in ipairs(split(state[2] or '', ';')) do
        local m = split(text, ',')
        last_lease = math.max(last_lease, tonumber(m[3]) or 0)
        if m[1] ~= member and m[1] ~= '' then last_names = last_names .. m[1] .. ',' end
    end
    if e[1] == run and now <= last_lease then epoch, started = e[2], tonumber(e[3]) end
end
if not epoch then
    redis.call('DEL', key)
    state = {false, false, last_names .. (state[3] or ''), false}
    epoch, started = string.format('%.0f', now) .. '-' .. member, now
    redis.call('HSET', key, 'e', run .. ';' .. epoch .. ';' .. string.format('%.0f', now))
end

-- The members. One is gone when its lease has run out and all it used has left the window.
local members, names = {}, {}
for _, text in ipairs(split(state[2] or '', ';')) do
    local m = split(text, ',')
    if #m == 4 and tonumber(m[3]) + window + margin >= now then
        members[m[1]] = {sequence = tonumber(m[2]), lease_end = tonumber(m[3]), is_complete = m[4] == '1'}
        names[#names + 1] = m[1]
    end
end
local me = members[member]
if me and sequence <= me.sequence then return {'stale'} end
if not me then
    me = {is_complete = false}
    members[member] = me
    names[#names + 1] = member
end
me.sequence, me.lease_end = sequence, is_leaving and now - 1 or now + lease
me.is_complete = me.is_complete or ARGV[9] == epoch

-- After a new epoch: first nobody gets more, until each has said what it holds or its lease has run out; then, while
-- some are missing, what was not said to be held may be theirs, until it has left the window.
local is_quiet = now < started + lease + margin
local is_young = now < started + lease + window + 2 * margin
local missing = {}
if is_young then
    local seen = {}
    for _, name in ipairs(split((state[3] or '') .. ',' .. ARGV[7], ',')) do
        if name ~= '' and not seen[name] and not (members[name] and members[name].is_complete) then
            seen[name] = true
            missing[#missing + 1] = name
        end
    end
    for _, name in ipairs(names) do
        if not members[name].is_complete and not seen[name] then missing[#missing + 1] = name end
    end
end
local is_recovering = not is_quiet and #missing > 0
local phase = is_quiet and 'quiet' or (is_recovering and 'recovering' or 'open')

-- Where members go on without a lease, one that is late is not yet taken for dead.
local function is_live(m) return now <= m.lease_end + margin + (is_strict and 0 or lease) end

-- What a silent member can still have in the window: what was there when it last spoke and has not left since, and what
-- it may have used after that. `leaving` is what of its use is left after each step.
local function left_at(record, kind, step)
    if step <= 0 then return record.used[kind] end
    if step >= STEPS then return 0 end
    if not record.leaving then
        record.leaving = {}
        for k, text in ipairs(split(record.leaving_text, '/')) do record.leaving[k] = numbers(text) end
    end
    local of = record.leaving[kind]
    return of and of[step] or 0
end
local function silent_hold(record, m, kind)
    if kind == CONCURRENCY or now > m.lease_end + window + margin then return 0 end
    local step = window / STEPS
    local settled = left_at(record, kind, math.ceil((m.lease_end - record.said) / step)) - record.unsettled[kind]
    local since = record.hold[kind] - math.max(0, settled)
    local before = left_at(record, kind, math.floor((now - margin - record.said) / step))
    return math.min(math.max(record.hold[kind], record.used[kind]), before + math.max(0, since))
end

local function by_turn(a, b)
    if a.served ~= b.served then return a.served < b.served end
    return a.member < b.member
end

-- Equal parts for those who want more than that beyond what they have in `base`, all they want for the others. What
-- cannot be divided stays with those who hold it, else goes to those who were served the longest ago.
local function divide(live, kind, capacity, base)
    local list = {}
    for _, record in ipairs(live) do
        list[#list + 1] = {record = record, wanted = math.max(0, record.demand[kind] - (base[record.member] or 0))}
    end
    table.sort(list, function(a, b)
        if a.wanted ~= b.wanted then return a.wanted < b.wanted end
        return by_turn(a.record, b.record)
    end)
    local out, left, count, large = {}, capacity, #list, {}
    for _, one in ipairs(list) do
        local part = math.floor(left / count)
        if one.wanted <= part then
            out[one.record.member] = one.wanted
            left = left - one.wanted
            count = count - 1
        else
            large[#large + 1] = one.record
        end
    end
    local part = #large > 0 and math.floor(left / #large) or 0
    left = left - part * #large
    local function has_more(record) return record.hold[kind] > part + (base[record.member] or 0) end
    table.sort(large, function(a, b)
        local ma, mb = has_more(a), has_more(b)
        if ma ~= mb then return ma end
        return by_turn(a, b)
    end)
    for _, record in ipairs(large) do
        local more = left > 0 and 1 or 0
        out[record.member] = part + more
        left = left - more
    end
    for _, record in ipairs(live) do out[record.member] = out[record.member] + (base[record.member] or 0) end
    return out
end

-- What each live member should hold of one kind, and whether they want more than there is.
local function targets(live, kind, capacity, limit)
    local out, wanted = {}, 0
    for _, record in ipairs(live) do wanted = wanted + record.demand[kind] end
    if wanted <= capacity then
        -- Room to grow without asking first; a part stays here for those who come.
        local slack = capacity - wanted
        local part = math.floor(slack / (#live + 1))
        for _, record in ipairs(live) do
            local room = math.max(math.ceil(limit / 8), record.demand[kind])
            out[record.member] = record.demand[kind] + math.min(part, room)
        end
        return out, false, slack < limit / 8
    end
    out = divide(live, kind, capacity, {})
    local is_starved = false
    for _, record in ipairs(live) do is_starved = is_starved or record.need[kind] > out[record.member] end
    if is_starved then
        -- A request larger than its part would never pass. What the next request of each needs comes first, in turn, as
        -- far as it goes; the rest is divided.
        local turn, base = {}, {}
        for _, record in ipairs(live) do turn[#turn + 1] = record end
        table.sort(turn, by_turn)
        for _, record in ipairs(turn) do
            local need = record.need[kind]
            if need <= capacity then
                base[record.member] = need
                capacity = capacity - need
            end
        end
        out = divide(live, kind, capacity, base)
    end
    return out, true, true
end

local function parse_record(text)
    local f = split(text, ';')
    return {member = f[1], served = tonumber(f[2]), said = tonumber(f[3]), hold = numbers(f[4]), used = numbers(f[5]),
            demand = numbers(f[6]), need = numbers(f[7]), unsettled = numbers(f[8]), leaving_text = f[9], text = text}
end

local lacking = {}
for _, text in ipairs(split(state[4] or '', ';')) do
    local w = split(text, ',')
    if #w == 2 and tonumber(w[2]) + 500 >= now then lacking[w[1]] = tonumber(w[2]) end
end

local function share_level(level, limits, said)
    local field = 'l:' .. level
    local stored = split(redis.call('HGET', key, field) or '', '|')
    local known = numbers(stored[1] or '')
    local mine, others = nil, {}
    for i = 2, #stored do
        local record = parse_record(stored[i])
        if record.member == member then
            mine = record
        elseif members[record.member] then
            others[#others + 1] = record
        end
    end
    local self = parse_record(member .. ';0;0;' .. said)
    self.said = now
    self.served = mine and mine.served or now
    if is_young then
        for kind = 1, KINDS do known[kind] = (known[kind] or 0) + (mine and 0 or self.hold[kind]) end
    else
        known = {}
    end

    local live, everyone = {self}, {self}
    for _, record in ipairs(others) do
        everyone[#everyone + 1] = record
        if is_live(members[record.member]) then live[#live + 1] = record end
    end
    local share, others_used, is_final, is_pressed, is_lacking = {}, {}, false, false, false
    local has_need, is_waiting, is_fitting, is_short_of_slots = false, false, true, false
    for kind = 1, KINDS do
        local limit = limits[kind]
        others_used[kind] = 0
        if limit < 0 then
            share[kind] = -1
            self.hold[kind] = 0
        else
            local cap = limit
            if is_recovering then
                local part = is_strict and 0 or math.floor(limit * #names / (#names + #missing))
                cap = math.min(limit, math.max(known[kind], part))
            end
            local held, gone = 0, 0
            for _, record in ipairs(others) do
                local m = members[record.member]
                if is_live(m) then
                    held = held + record.hold[kind]
                    others_used[kind] = others_used[kind] + record.used[kind]
                else
                    gone = gone + silent_hold(record, m, kind)
                end
                record.demand[kind] = math.min(record.demand[kind], limit)
            end
            others_used[kind] = others_used[kind] + gone
            self.demand[kind] = math.min(self.demand[kind], limit)
            if is_leaving then
                share[kind] = 0
                self.hold[kind] = self.used[kind]
            elseif is_quiet then
                share[kind] = math.min(self.hold[kind], limit)
            else
                local of, is_short, is_tight = targets(live, kind, math.max(0, cap - gone), limit)
                local target = of[member]
                local part = math.max(0, math.min(target, cap - gone - held))
                share[kind] = part
                -- Until it says so itself it may still use what it held.
                self.hold[kind] = math.max(self.hold[kind], part)
                is_pressed = is_pressed or is_tight
                is_short_of_slots = is_short_of_slots or (kind == CONCURRENCY and is_short)
                if part >= target then is_final = is_final or is_short else is_lacking = true end
                has_need = has_need or self.need[kind] > 0
                is_waiting = is_waiting or self.demand[kind] > self.used[kind]
                is_fitting = is_fitting and self.used[kind] + self.need[kind] <= part
            end
        end
    end
    if not is_waiting or (has_need and is_fitting) then self.served = now end
    if is_lacking then
        lacking[level] = now
        is_final = false
    end

    local is_used = false
    for kind = 1, KINDS do is_used = is_used or self.hold[kind] > 0 or self.demand[kind] > 0 end
    local records = {join(known)}
    for _, record in ipairs(others) do records[#records + 1] = record.text end
    if is_used then
        local rest = said:match('^[^;]*;(.*)$')
        records[#records + 1] = table.concat({member, string.format('%.0f', self.served), string.format('%.0f', now),
            join(self.hold), rest}, ';')
    end
    if #records > 1 or (is_young and is_used) then
        redis.call('HSET', key, field, table.concat(records, '|'))
    else
        redis.call('HDEL', key, field)
    end
    return table.concat({join(share), join(others_used), is_final and '1' or '0',
        is_short_of_slots and '2' or (is_pressed and '1' or '0')}, ';')
end

local reply = {'ok', epoch, phase, '', ''}
for i = 11, #ARGV, 3 do reply[#reply + 1] = share_level(ARGV[i], numbers(ARGV[i + 1]), ARGV[i + 2]) end

local parts, others = {}, {}
for _, name in ipairs(names) do
    local m = members[name]
    parts[#parts + 1] = table.concat({name, string.format('%.0f', m.sequence), string.format('%.0f', m.lease_end),
        m.is_complete and '1' or '0'}, ',')
    others[#others + 1] = name
end
for _, name in ipairs(missing) do if not members[name] then others[#others + 1] = name end end
reply[4] = table.concat(others, ',')
local wanted, list = {}, {}
for level, at in pairs(lacking) do
    wanted[#wanted + 1] = level .. ',' .. string.format('%.0f', at)
    list[#list + 1] = level
end
reply[5] = table.concat(list, ',')
redis.call('HSET', key, 'm', table.concat(parts, ';'), 'x', table.concat(missing, ','), 'w', table.concat(wanted, ';'))
-- Nothing of it matters once nobody has been here for so long.
redis.call('PEXPIRE', key, 2 * (lease + window + 2 * margin))
return reply
