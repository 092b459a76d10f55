-- An owner's heartbeat. It vouches for values only as far as it has proved to know what is here of
-- them: by digests, or by having followed the history to its end.
--
-- ARGV  4 f64 cursor's seq, 16 its chain, f64 batch, u8 retire, u8 whether digests are given
--       5 digests: 8 actor, u32 count, high, low, each
-- Reply 1 state   2 u8 history (0 current, 1 behind, 2 lost), u8 corrupt, u8 forgotBatch,
--         u32 records, u32 tombstones, u32 count, high, low: the root   3 vouched: 8 actor each
--       4 owned: as in ARGV 5, the caller's first
-- Instead of an instant in `retiredAt`: an heir keeps its values alive.
local INHERITED = -1

begin()
local cursorSeq, cursorChain, batch, retire, compared = read('>dc16dBB', ARGV[4])
local stands = standing(cursorSeq, cursorChain)

-- Whether a key of this partition was lost while others stayed, as by eviction, or changed by
-- somebody else.
local function isCorrupt()
  local records = call('HLEN', KEY_R)
  return records ~= call('ZCARD', KEY_X) or records ~= live + tombstones
    or call('HLEN', KEY_O) ~= ownerCount or (rootCount > 0 and call('STRLEN', KEY_D) == 0)
end

local function eachRecord(visit)
  local after, visited = '0', {}
  repeat
    local page = call('HSCAN', KEY_R, after, 'COUNT', 100)
    for at = 1, #page[2], 2 do
      local id = page[2][at]
      if not visited[id] then
        visited[id] = true
        visit(id, readRecord(page[2][at + 1]))
      end
    end
    after = page[1]
  until after == '0'
end

-- Makes everything that follows from the records follow from those that are left. The history is
-- another one from here on: everybody must compare what they hold.
local function rebuild()
  local readable = true
  eachRecord(function(_, record) readable = readable and record ~= nil end)
  if not readable then return end
  live, tombstones, rootCount, rootHigh, rootLow = 0, 0, 0, 0, 0
  ownerCount = #allOwners()
  for actor in pairs(owners) do
    local by = owner(actor)
    by.count, by.high, by.low, by.changed = 0, 0, 0, not by.absent
  end
  call('UNLINK', KEY_D, KEY_X)
  eachRecord(function(id, record)
    count(record, 1)
    for _, sibling in ipairs(record.siblings) do add(sibling, record.bucket, 1) end
    -- The next sweep finds out.
    scores[id] = now
  end)
  if seq > 0 then chain = sub(redis.sha1hex(chain .. 'rebuilt'), 1, 16) end
  beginEpoch(epoch + 1)
end

local corrupt = isCorrupt()
if corrupt then
  rebuild()
  stands = DIVERGED
end
local forgotBatch = owner(CALLER).batch < batch

local owned, vouched = {}, {}
for _, actor in ipairs(OURS_LIST) do
  local known = owner(actor)
  owned[#owned + 1] = pack('>c8I4I4I4', actor, known.count, known.high, known.low)
end
if compared == 1 then
  local given = ARGV[5]
  for at = 1, #given, 20 do
    local actor, count, high, low = read('>c8I4I4I4', given, at)
    if OURS[actor] then
      local known = owner(actor)
      if known.count == count and known.high == high and known.low == low then
        vouched[#vouched + 1] = actor
      end
    end
  end
elseif stands == CURRENT and not forgotBatch then
  vouched = OURS_LIST
end
if retire == 1 then
  for _, actor in ipairs(OURS_LIST) do
    -- A goodbye that comes after the heir has begun is none.
    if actor ~= CALLER or owner(actor).retiredAt ~= INHERITED then
      local entry = touched(actor)
      entry.seen, entry.retiredAt = 0, now
    end
  end
else
  for _, actor in ipairs(vouched) do
    local entry = touched(actor)
    local inherited = actor ~= CALLER or entry.retiredAt == INHERITED
    entry.seen, entry.retiredAt = now, inherited and INHERITED or 0
  end
end

commit()
return {
  state(),
  pack('>BBBI4I4I4I4I4', stands <= BEHIND and stands or 2, corrupt and 1 or 0,
    forgotBatch and 1 or 0, live, tombstones, rootCount, rootHigh, rootLow),
  concat(vouched),
  concat(owned),
}
