-- Merges records into the partition, each for itself.
--
-- ARGV  4 terms: f64 autonomyMs, silenceMs, slackMs, horizonMs, maxSkewMs, logEntries, u8 policy
--         (0 lww, 1 siblings, 2 ownerWins, 3 firstWins, 4 counter)
--       5 f64 batch, u8 record version to store, u8 rejoining
--       6… id, record, by turns
-- Reply 1 state   2 u8 stale   3 codes, a byte each (0 applied, 1 duplicate, 2 joined, 3 closed,
--         4 expired, 5 held, 6 clock-ahead, 7 duplicate-dot, 8 unreadable)
--       4… for codes 2 to 5: the record, '' where there is none
local APPLIED, DUPLICATE, JOINED, CLOSED, PAST, HELD, CLOCK_AHEAD, DUPLICATE_DOT, UNREADABLE =
  0, 1, 2, 3, 4, 5, 6, 7, 8
local LWW, OWNER_WINS, FIRST_WINS = 0, 2, 3
-- A hybrid clock counts 4096ths of a millisecond from 2020-01-01.
local HLC_ORIGIN_MS, HLC_TICKS = 1577836800000, 4096

begin()
readTerms(ARGV[4])
local batch, version, rejoining = read('>dBB', ARGV[5])
local pusher = owner(CALLER)
local silence = now - seenOf(CALLER)
if rejoining == 0 and pusher.seen > 0 and silence > terms.autonomyMs + terms.slackMs then
  commit()
  return { state(), '\1', '' }
end
if pusher.absent then pusher.seen = now end
touched(CALLER).batch = max(pusher.batch, batch)

local function isLater(left, right)
  if left.hlc ~= right.hlc then return left.hlc > right.hlc end
  return siblingBefore(right, left)
end

local function ranksHigher(left, right)
  if left.rank ~= right.rank then return left.rank > right.rank end
  return siblingBefore(right, left)
end

-- The first by `wins`, among those of `born` where there is one.
local function best(siblings, wins, born)
  local found
  for _, sibling in ipairs(siblings) do
    if (not born or sibling.born == born) and (found == nil or wins(sibling, found)) then
      found = sibling
    end
  end
  return found
end

-- Past its final deadline while its owner is alive, who alone may take it away.
local function isLapsed(sibling)
  if sibling.session or sibling.deadline + terms.slackMs >= now then return false end
  return not isSilent(sibling.actor)
end

local function hasBorn(siblings, born)
  for _, sibling in ipairs(siblings) do
    if sibling.born == born then return true end
  end
  return false
end

-- Nothing of a record that is stamped too far ahead, or differs under a dot that is here.
local function refusal(x, y)
  for _, sibling in ipairs(y.siblings) do
    local known = x.held[sibling.dot]
    if known == nil then
      local wall = floor(sibling.hlc / HLC_TICKS) + HLC_ORIGIN_MS
      if wall > now + terms.maxSkewMs then return CLOCK_AHEAD end
    elseif known.high ~= sibling.high or known.low ~= sibling.low then
      return DUPLICATE_DOT
    end
  end
end

-- A value past its deadline that was never here may have been renewed since it was encoded: the
-- push is read as if it said nothing about that actor. The same record where there is none.
local function withoutExpired(x, y)
  local muted
  for _, sibling in ipairs(y.siblings) do
    if sibling.deadline < now and not x.held[sibling.dot] and not covers(x.covered, sibling) then
      muted = muted or {}
      muted[sibling.actor] = true
    end
  end
  if muted == nil then return y end
  local siblings, held, context, covered = {}, {}, {}, {}
  for _, sibling in ipairs(y.siblings) do
    if not muted[sibling.actor] or x.held[sibling.dot] then
      siblings[#siblings + 1], held[sibling.dot] = sibling, sibling
    end
  end
  for _, entry in ipairs(y.context) do
    if not muted[entry.actor] then
      context[#context + 1], covered[entry.actor] = entry, entry
    end
  end
  return { siblings = siblings, held = held, context = context, covered = covered, ends = y.ends }
end

-- One write on both sides: its owner knows how it stands; nobody shortens a deadline.
local function renewed(known, given)
  local base = OURS[known.actor] and given or known
  local deadline = max(known.deadline, given.deadline)
  if base.deadline == deadline then return base end
  local moved = copyOf(base)
  moved.deadline, moved.moved = deadline, true
  return moved
end

local function joinedSiblings(x, y)
  local siblings = {}
  for _, sibling in ipairs(x.siblings) do
    local given = y.held[sibling.dot]
    if given then
      siblings[#siblings + 1] = renewed(sibling, given)
    elseif not covers(y.covered, sibling) then
      siblings[#siblings + 1] = sibling
    end
  end
  for _, sibling in ipairs(y.siblings) do
    if not x.held[sibling.dot] and not covers(x.covered, sibling) then
      siblings[#siblings + 1] = sibling
    end
  end
  if #siblings > 1 then table.sort(siblings, siblingBefore) end
  return siblings
end

-- The policy's verdict: what is kept, and what lost. A lapsed value beats nobody: it is over, or its
-- owner has renewed it and says so soon, and then the policy is asked again. Until then it stays,
-- where nothing beats it.
local function judge(siblings)
  local policy = terms.policy
  if #siblings < 2 or (policy ~= LWW and policy ~= OWNER_WINS) then return siblings, EMPTY end
  local living = {}
  for _, sibling in ipairs(siblings) do
    if not isLapsed(sibling) then living[#living + 1] = sibling end
  end
  if #living == 0 then return siblings, EMPTY end
  -- Among grants the one of the highest rank; of its writes the last.
  local top = policy == OWNER_WINS and best(living, ranksHigher)
  local winner = best(living, isLater, top and top.born)
  local kept, losers = {}, {}
  for _, sibling in ipairs(siblings) do
    local stays = sibling == winner
    if not stays then
      if top and sibling.born ~= top.born then
        stays = ranksHigher(sibling, top)
      else
        stays = isLater(sibling, winner)
      end
    end
    local where = stays and kept or losers
    where[#where + 1] = sibling
  end
  return kept, losers
end

-- Also by a value past its deadline, while its owner is alive and may have renewed it.
local function isHeld(x, siblings)
  local first, new = false, false
  for _, sibling in ipairs(siblings) do
    if x.held[sibling.dot] then first = true else new = true end
  end
  return first and new
end

local function joinedContext(x, y)
  local context, covered = copyContext(x.context)
  for _, given in ipairs(y.context) do
    local entry = covered[given.actor]
    if entry == nil then
      entry = { actor = given.actor, seq = given.seq, keep = 0 }
      context[#context + 1], covered[given.actor] = entry, entry
    elseif entry.seq < given.seq then
      entry.seq = given.seq
    end
  end
  if #context > 1 then table.sort(context, entryBefore) end
  return context, covered
end

local function highest(siblings, actor)
  local found = 0
  for _, sibling in ipairs(siblings) do
    if sibling.actor == actor then found = max(found, sibling.seq) end
  end
  return found
end

-- Between contacts an owner may have renewed what it holds, and not told yet.
local function untilUnheard(sibling)
  if sibling.session then return now + terms.horizonMs end
  return max(sibling.deadline, now + terms.autonomyMs) + terms.slackMs
end

-- How long what is covered and gone is remembered: as long as anybody may hold it for alive.
local function rememberCover(covered, x, y, gone, losers)
  for _, sibling in ipairs(gone) do
    keepUntil(covered, sibling.actor,
      OURS[sibling.actor] and sibling.deadline + terms.slackMs or untilUnheard(sibling))
  end
  -- A loser's owner does not know yet, even if it is the one who asks.
  for _, sibling in ipairs(losers) do keepUntil(covered, sibling.actor, untilUnheard(sibling)) end
  for _, given in ipairs(y.context) do
    local actor = given.actor
    if OURS[actor] then
      if given.keep > 0 then keepUntil(covered, actor, given.keep + terms.slackMs) end
    else
      local known = x.covered[actor]
      if given.seq > (known and known.seq or 0)
        and given.seq > highest(x.siblings, actor) and given.seq > highest(y.siblings, actor) then
        keepUntil(covered, actor, now + terms.horizonMs)
      end
    end
  end
end

-- What the caller knows of the endings that are stored.
local function toldBy(known, given)
  local ends = { unpack(known) }
  for _, ending in ipairs(given) do
    local at = endedAt(ends, ending.born)
    if at then
      if ending.told and OURS[sub(ending.dot, 1, 8)] then
        table.remove(ends, at)
      else
        local merged = copyOf(ends[at])
        if not merged.told and ending.reason > merged.reason then
          merged.reason, merged.by = ending.reason, ending.by
        end
        merged.told = merged.told or ending.told
        ends[at] = merged
      end
    end
  end
  return ends
end

local function endsAfter(x, y, kept, gone, losers)
  local ends = toldBy(x.ends, y.ends)
  for _, sibling in ipairs(losers) do
    if not hasBorn(kept, sibling.born) then
      addEnding(ends, endingOf(sibling, SUPERSEDED, CALLER, true, false))
    end
  end
  for _, sibling in ipairs(gone) do
    if not OURS[sibling.actor] then
      local at = endedAt(y.ends, sibling.born)
      local given = at and y.ends[at]
      if given or not hasBorn(kept, sibling.born) then
        addEnding(ends, endingOf(sibling, given and given.reason or SUPERSEDED, CALLER, false,
          given and given.told or false))
      end
    end
  end
  ends = current(ends)
  if #ends > 1 then table.sort(ends, endingBefore) end
  return ends
end

local function sameSibling(left, right)
  if left == right then return true end
  return left.dot == right.dot and left.deadline == right.deadline and left.ttlMs == right.ttlMs
    and left.session == right.session and labelOf(left) == labelOf(right)
end

local function sameEnding(left, right)
  if left == right then return true end
  for name, value in pairs(left) do
    if right[name] ~= value then return false end
  end
  return true
end

local function differs(x, siblings, context, ends)
  if #x.siblings ~= #siblings or #x.context ~= #context or #x.ends ~= #ends then return true end
  for index, entry in ipairs(x.context) do
    local other = context[index]
    if other.actor ~= entry.actor or other.seq ~= entry.seq then return true end
  end
  for index, sibling in ipairs(x.siblings) do
    if not sameSibling(sibling, siblings[index]) then return true end
  end
  for index, ending in ipairs(x.ends) do
    if not sameEnding(ending, ends[index]) then return true end
  end
  return false
end

local function scoreAfterPush(record)
  local score = #record.siblings == 0 and record.forgetAt or math.huge
  for _, sibling in ipairs(record.siblings) do
    score = min(score, sibling.deadline + terms.slackMs)
  end
  for _, ending in ipairs(record.ends) do
    if not ending.told then score = min(score, now + terms.silenceMs) end
  end
  return score
end

local function codeOf(y, siblings, ends, changed)
  for _, sibling in ipairs(y.siblings) do
    if endedAt(ends, sibling.born) then return CLOSED end
    local found = false
    for _, left in ipairs(siblings) do found = found or left.dot == sibling.dot end
    if not found then return CLOSED end
  end
  for _, sibling in ipairs(siblings) do
    if not y.held[sibling.dot] then return JOINED end
  end
  return changed and APPLIED or DUPLICATE
end

local NOTHING = { siblings = EMPTY, held = EMPTY, context = EMPTY, covered = EMPTY, ends = EMPTY }

-- The code, and the record's bytes for those codes that carry it.
local function pushRecord(id, bytes, known)
  local found
  -- A batch may come back to a record.
  if stored[id] ~= nil then known = stored[id] end
  if known then
    found = readRecord(known)
    if found == nil then return UNREADABLE end
  end
  local x, y = found or NOTHING, readRecord(bytes)
  local refused = refusal(x, y)
  if refused then return refused end
  local heard = withoutExpired(x, y)
  local left = endDue(x)
  local together = joinedSiblings(left, heard)
  if terms.policy == FIRST_WINS and isHeld(left, together) then return HELD, x.bytes end
  local kept, losers = judge(together)
  local gone, stays = {}, {}
  for _, sibling in ipairs(together) do stays[sibling.dot] = true end
  for _, sibling in ipairs(left.siblings) do
    if not stays[sibling.dot] then gone[#gone + 1] = sibling end
  end
  local context, covered = joinedContext(left, heard)
  rememberCover(covered, x, heard, gone, losers)
  local ends = endsAfter(left, heard, kept, gone, losers)
  local changed, after = differs(x, kept, context, ends), x
  if changed then
    local bucket = (found or y).bucket
    after = finish({ siblings = kept, context = context, ends = ends, bucket = bucket })
    after.bytes = writeRecord(after, version)
    if #after.siblings == 0 and after.forgetAt <= now then
      changed = found ~= nil
      if changed then change(id, found, after, nil) end
    else
      change(id, found, after, after.bytes)
      scores[id] = scoreAfterPush(after)
    end
  end
  local code = heard ~= y and PAST or codeOf(y, after.siblings, after.ends, changed)
  if code == APPLIED or code == DUPLICATE then return code end
  if found == nil and not stored[id] then return code, '' end
  return code, after.bytes
end

local ids, codes, reply = {}, {}, { '', '\0', '' }
for at = 6, #ARGV, 2 do ids[#ids + 1] = ARGV[at] end
local known = recordsOf(ids)
for index, id in ipairs(ids) do
  local code, bytes = pushRecord(id, ARGV[5 + 2 * index], known[index])
  codes[index] = string.char(code)
  if bytes then reply[#reply + 1] = bytes end
end
commit()
reply[1], reply[3] = state(), concat(codes)
return reply
