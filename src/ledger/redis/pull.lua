-- What changed since a cursor, and records by name.
--
-- ARGV  4 f64 cursor's seq, 16 its chain, f64 limit, u8 whether records come along
--       5… ids of records wanted whatever the log says
-- Reply 1 state   2 u8 status (0 ok, 1 gap, 2 diverged), f64 epoch, f64 seq, 16 chain: the cursor
--       3 changes: id, record, by turns; '' for no record   4 records wanted; likewise
--       5 owners: 8 actor, f64 seen, each
local OK = 0
-- A page ends, once it has something, when its records are this large.
local PAGE_BYTES = 1048576

begin()
local cursorSeq, cursorChain, limit, withRecords = read('>dc16dB', ARGV[4])
local stands = standing(cursorSeq, cursorChain)

-- In the order of their last change, and where they end.
local function page()
  local entries = call('XRANGE', KEY_L, format('%.0f-0', cursorSeq + 1), '+', 'COUNT', limit)
  local ids, at = {}, {}
  for _, entry in ipairs(entries) do
    local id = entry[2][2]
    if at[id] == nil then
      ids[#ids + 1] = id
      at[id] = #ids
    end
  end
  local records = withRecords == 1 and recordsOf(ids) or EMPTY
  local counted, bytes, read = {}, 0, #entries
  for index, entry in ipairs(entries) do
    local id = entry[2][2]
    local record = records[at[id]]
    if record and not counted[id] then
      counted[id], bytes = true, bytes + #record
      if bytes >= PAGE_BYTES then
        read = index
        break
      end
    end
  end
  local latest = {}
  for index = 1, read do latest[entries[index][2][2]] = index end
  local changes = {}
  for index = 1, read do
    local id = entries[index][2][2]
    if latest[id] == index then
      changes[#changes + 1], changes[#changes + 2] = id, records[at[id]] or ''
    end
  end
  if read > 0 then cursorSeq, cursorChain = cursorSeq + read, entries[read][2][4] end
  return changes
end

local changes, status = EMPTY, OK
if stands == BEHIND and limit > 0 then
  changes = page()
elseif stands == GAP or stands == DIVERGED then
  status = stands - BEHIND
  cursorSeq, cursorChain = seq, chain
end
if cursorSeq == 0 then cursorChain = NO_CHAIN end

local ids = {}
for at = 5, #ARGV do ids[#ids + 1] = ARGV[at] end
local wanted = recordsOf(ids)
for index, bytes in ipairs(wanted) do wanted[index] = bytes or '' end

local heard = {}
for _, actor in ipairs(allOwners()) do heard[#heard + 1] = pack('>c8d', actor, seenOf(actor)) end
commit()
local cursor = pack('>Bddc16', status, epoch, cursorSeq, cursorChain)
return { state(), cursor, changes, wanted, concat(heard) }
