-- Takes away what is past its deadline: an owner its own, anybody what a silent owner left.
--
-- ARGV  4 terms, as in push   5 u8 scope (0 own, 1 orphans), u8 dryRun, f64 limit, f64 asOf
-- Reply 1 state   2 u8 more, u32 forgotten   3 removed: 8 actor, u32 count, high, low, each
--       4 ended: id, and a record that holds nothing but the endings, by turns
local OWN = 0
-- How far ahead of their scores a sweep looks at records.
local SIGHT_MS = 1000

begin()
readTerms(ARGV[4])
local scope, dryRun, limit, asOf = read('>BBdd', ARGV[5])
local removed, ended, forgotten = {}, {}, 0

local function withoutOwn(record)
  local over, siblings = {}, {}
  for _, sibling in ipairs(record.siblings) do
    local isOver = not sibling.session and OURS[sibling.actor]
      and sibling.deadline + terms.slackMs <= now and sibling.deadline <= asOf
    local where = isOver and over or siblings
    where[#where + 1] = sibling
  end
  if #over == 0 then return record end
  local context, covered = copyContext(record.context)
  for _, sibling in ipairs(over) do
    local actor = sibling.actor
    keepUntil(covered, actor, sibling.deadline + terms.slackMs)
    local sum = removed[actor] or { 0, 0, 0 }
    removed[actor] =
      { sum[1] + 1, (sum[2] + sibling.high) % TWO_32, (sum[3] + sibling.low) % TWO_32 }
  end
  return { siblings = siblings, context = context, ends = record.ends, bucket = record.bucket }
end

local function withoutOrphans(id, record)
  local rest = endDue(record)
  local ends, told = {}, {}
  for index, ending in ipairs(rest.ends) do
    if not ending.told and isSilent(sub(ending.dot, 1, 8)) then
      ending = copyOf(ending)
      ending.told, ending.by = true, CALLER
      told[#told + 1] = ending
    end
    ends[index] = ending
  end
  if #told == 0 then return rest end
  local report = { siblings = EMPTY, context = EMPTY, ends = told, bucket = 0, forgetAt = 0 }
  ended[#ended + 1], ended[#ended + 2] = id, writeRecord(report, 2)
  return { siblings = rest.siblings, context = rest.context, ends = ends, bucket = record.bucket }
end

local function dueAt(sibling)
  local due = lastsUntil(sibling) + terms.slackMs
  if not sibling.session then return due end
  return max(due, seenOf(sibling.actor) + terms.silenceMs)
end

-- What was looked at in vain goes behind what was not, and stays within sight: nobody's sweep hides
-- from another what only that one may take away.
local function scoreAfterSweep(record)
  local score = #record.siblings == 0 and record.forgetAt or math.huge
  for _, sibling in ipairs(record.siblings) do score = min(score, dueAt(sibling)) end
  for _, ending in ipairs(record.ends) do
    if not ending.told then score = min(score, seenOf(sub(ending.dot, 1, 8)) + terms.silenceMs) end
  end
  return max(now + SIGHT_MS, score)
end

local function sweepRecord(id, bytes)
  local found = readRecord(bytes)
  if found == nil then
    scores[id] = now + SIGHT_MS
    return
  end
  local after = scope == OWN and withoutOwn(found) or withoutOrphans(id, found)
  local version = read('>B', bytes)
  if after ~= found then after = finish(after) end
  local gone = #after.siblings == 0 and after.forgetAt <= now
  local forget = gone and #found.siblings == 0
  if forget then forgotten = forgotten + 1 end
  if dryRun == 1 then return end
  if forget then
    put(id, found, nil, nil)
  elseif gone then
    change(id, found, after, nil)
  else
    if after ~= found then change(id, found, after, writeRecord(after, version)) end
    scores[id] = scoreAfterSweep(after)
  end
end

local ids = call('ZRANGEBYSCORE', KEY_X, '-inf', now + SIGHT_MS, 'LIMIT', 0, limit)
for index, bytes in ipairs(recordsOf(ids)) do
  if bytes then sweepRecord(ids[index], bytes) end
end

-- Runs that have nothing here and were last heard of before anything of theirs could matter.
local function forgetOwners()
  for _, actor in ipairs(allOwners()) do
    local by = owner(actor)
    local heardAt = max(seenOf(actor), by.retiredAt)
    if by.count == 0 and now - heardAt > terms.horizonMs then dropOwner(actor) end
  end
end

if scope ~= OWN and dryRun == 0 then forgetOwners() end

local gone = {}
for actor, sum in pairs(removed) do
  gone[#gone + 1] = pack('>c8I4I4I4', actor, sum[1], sum[2], sum[3])
end
commit()
return { state(), pack('>BI4', #ids == limit and 1 or 0, forgotten), concat(gone), ended }
