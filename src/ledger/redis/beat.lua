-- An owner's heartbeat. It vouches for values only as far as it has proved to know what is here of
-- them: by digests, or by having followed the history to its end.
--
-- ARGV  4 f64 cursor's seq, 16 its chain, f64 batch, u8 retire, u8 whether digests are given
--       5 digests: 8 actor, u32 count, high, low, each
-- Reply 1 state   2 u8 history (0 current, 1 behind, 2 lost), u8 corrupt, u8 forgotBatch,
--         u32 records, u32 tombstones, u32 count, high, low: the root   3 vouched: 8 actor each
--       4 owned: as in ARGV 5, the caller's first
begin()
local cursorSeq, cursorChain, batch, retire, compared = read('>dc16dBB', ARGV[4])
local stands = standing(cursorSeq, cursorChain)
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
for _, actor in ipairs(retire == 1 and OURS_LIST or vouched) do
  local entry = touched(actor)
  entry.seen, entry.retiredAt = now, 0
  if retire == 1 then entry.seen, entry.retiredAt = 0, now end
end

local records = call('HLEN', KEY_R)
local corrupt = records ~= call('ZCARD', KEY_X) or records ~= live + tombstones
commit()
return {
  state(),
  pack('>BBBI4I4I4I4I4', stands <= BEHIND and stands or 2, corrupt and 1 or 0, forgotBatch and 1 or 0,
    live, tombstones, rootCount, rootHigh, rootLow),
  concat(vouched),
  concat(owned),
}
