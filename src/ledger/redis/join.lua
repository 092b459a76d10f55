-- The registry of a ledger: its layout, and who takes part. No partition: of the six keys only m
-- (tmax, partitions, buckets) and o (actor in hex -> member) are used.
--
-- ARGV  4 f64 partitions, f64 buckets, u8 versionMin, u8 versionMax   5 instance   6 name
--       and 3 with the actor that joins
-- Member: u8 version, f64 seen, u8 versionMin, u8 versionMax, u32 bytes of instance, instance, name
-- Reply 1 u8 status (0 joined, 1 actor-clash, 2 layout, 3 version)
--       2 joined: f64 now, u8 version; layout: f64 partitions, f64 buckets; version: u8 min, u8 max
--       3… joined: the other members' names
local JOINED, CLASH, LAYOUT, VERSION = '\0', '\1', '\2', '\3'
-- A member that has not joined for so long has no say, and is forgotten.
local MEMBER_MS = 86400000

local m = call('HMGET', KEY_M, 'tmax', 'partitions', 'buckets')
now = clock(tonumber(m[1] or 0))
call('HSET', KEY_M, 'tmax', now)
local partitions, buckets, versionMin, versionMax = read('>ddBB', ARGV[4])
if m[2] and (tonumber(m[2]) ~= partitions or tonumber(m[3]) ~= buckets) then
  return { LAYOUT, pack('>dd', tonumber(m[2]), tonumber(m[3])) }
end

local self = hex(CALLER)
local names, past = {}, {}
local lowest, highest = versionMin, versionMax
local otherLowest, otherHighest = 0, 255
local members = call('HGETALL', KEY_O)
for at = 1, #members, 2 do
  local member = members[at + 1]
  local _, seen, itsMin, itsMax, length, from = read('>BdBBI4', member)
  if members[at] == self then
    if sub(member, from, from + length - 1) ~= ARGV[5] then return { CLASH, '' } end
  elseif now - seen > MEMBER_MS then
    past[#past + 1] = members[at]
  else
    names[#names + 1] = sub(member, from + length)
    otherLowest, otherHighest = max(otherLowest, itsMin), min(otherHighest, itsMax)
  end
end
lowest, highest = max(lowest, otherLowest), min(highest, otherHighest)
if highest < lowest then return { VERSION, pack('>BB', otherLowest, otherHighest) } end

call('HSET', KEY_M, 'partitions', partitions, 'buckets', buckets)
callWith('HDEL', KEY_O, past)
local member = pack('>BdBBI4', 1, now, versionMin, versionMax, #ARGV[5]) .. ARGV[5] .. ARGV[6]
call('HSET', KEY_O, self, member)
return { JOINED, pack('>dB', now, highest), unpack(names) }
