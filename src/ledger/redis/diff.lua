-- Compares digests, and lists what is behind those that differ.
--
-- ARGV  4 cells to compare, 12 bytes each, or ''
--       5 u8 what to list (0 nothing, 1 buckets, 2 actors), then u16 each bucket or 8 each actor
--       6 after: a cursor of HSCAN, '' begins   7 f64 limit
-- Reply 1 state   2 u32 count, high, low: the root   3 u16 each differing bucket
--       4 next, '' at the end   5 items: id, dots by turns; a dot: 8 actor, f64 seq, u32 high, low
local BUCKETS, ACTORS = 1, 2
local NO_CELL = rep('\0', 12)

begin()

local function differing(given)
  if given == '' then return '' end
  local cells = call('GETRANGE', KEY_D, 0, #given - 1)
  cells = cells .. rep('\0', #given - #cells)
  if cells == given then return '' end
  local buckets = {}
  for at = 1, #given, 12 do
    if sub(given, at, at + 11) ~= sub(cells, at, at + 11) then
      buckets[#buckets + 1] = pack('>H', (at - 1) / 12)
    end
  end
  return concat(buckets)
end

local function dotsOf(record, actors)
  local dots = {}
  for _, sibling in ipairs(record.siblings) do
    if actors == nil or actors[sibling.actor] then
      dots[#dots + 1] = sibling.dot .. pack('>I4I4', sibling.high, sibling.low)
    end
  end
  return concat(dots)
end

local function listed(what)
  local kind = read('>B', what)
  local buckets, actors
  if kind == BUCKETS then
    buckets = {}
    for at = 2, #what, 2 do buckets[read('>H', what, at)] = true end
  elseif kind == ACTORS then
    actors = {}
    for _, actor in ipairs(actorsOf(what, 2)) do actors[actor] = true end
  else
    return EMPTY, ''
  end
  local after = ARGV[6] == '' and '0' or ARGV[6]
  local limit = max(1, read('>d', ARGV[7]))
  local scanned = call('HSCAN', KEY_R, after, 'COUNT', limit)
  local found, items = scanned[2], {}
  for at = 1, #found, 2 do
    local _, _, bucket = read('>BBH', found[at + 1])
    if buckets == nil or buckets[bucket] then
      local record = readRecord(found[at + 1])
      local dots = record and dotsOf(record, actors) or ''
      if dots ~= '' then items[#items + 1], items[#items + 2] = found[at], dots end
    end
  end
  return items, scanned[1] == '0' and '' or scanned[1]
end

local items, following = listed(ARGV[5])
local buckets = differing(ARGV[4])
commit()
return { state(), pack('>I4I4I4', rootCount, rootHigh, rootLow), buckets, following, items }
