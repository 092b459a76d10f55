-- What all scripts of the ledger share; put in front of each. What the operations mean is defined
-- by ../specification; this says the same in Lua.
--
-- KEYS  1 m: HASH, the partition's numbers    2 r: HASH, id -> record (layout: ../record.ts)
--       3 d: STRING, cells of 12 bytes: u32 count, high, low   4 x: ZSET, id by when it is due
--       5 l: STREAM `seq-0`, fields i = id, c = chain   6 o: HASH, actor in hex -> owner:
--       u8 version, f64 seen, f64 batch, f64 retiredAt, u32 count, u32 high, u32 low of its values
-- ARGV  1 now in ms, '' for the server's clock   2 replication id, '' for the server's own
--       3 caller: 8 actor, f64 epoch, 8 each predecessor
-- Reply begins with state: f64 now, f64 epoch, f64 epochStartedAt, 16 chain, f64 seq of the tail
--
-- Numbers are doubles, so sums of u32 are exact and are taken modulo 2^32 by hand. Numbers become
-- text only where Redis does it, with all their digits; Lua's own way loses them from 10^14. Actors
-- are strings of 8 bytes; Lua orders strings as the locale says, so they are compared by halves.
local KEY_M, KEY_R, KEY_D, KEY_X, KEY_L, KEY_O =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local call, pack, read = redis.call, struct.pack, struct.unpack
local sub, rep, format, concat = string.sub, string.rep, string.format, table.concat
local floor, max, min = math.floor, math.max, math.min

local TWO_32 = 4294967296
local NO_CHAIN = '0000000000000000'
-- Epochs are at least the tens of minutes since 2020: they rise even when everything was lost.
local TERM_ORIGIN_S, TERM_S, TERMS_AHEAD_MAX = 1577836800, 600, 1000
local EXPIRED, SUPERSEDED = 1, 0
local ENDS_MAX = 16
-- What one call may take from the stack at a time.
local CHUNK = 2000
-- Up to so many cells are written one by one; for more the calls cost more than what lies between.
local CELLS_APART_MAX = 8
local EMPTY = {}

local function before(leftActor, leftSeq, rightActor, rightSeq)
  if leftActor == rightActor then return leftSeq < rightSeq end
  local leftHigh, leftLow = read('>I4I4', leftActor)
  local rightHigh, rightLow = read('>I4I4', rightActor)
  if leftHigh ~= rightHigh then return leftHigh < rightHigh end
  return leftLow < rightLow
end

local function actorBefore(left, right) return before(left, 0, right, 0) end

-- Of two dots as they are stored: 8 actor, f64 seq.
local function dotBefore(left, right)
  local leftActor, leftSeq = read('>c8d', left)
  local rightActor, rightSeq = read('>c8d', right)
  return before(leftActor, leftSeq, rightActor, rightSeq)
end

local function hex(actor) return format('%08x%08x', read('>I4I4', actor)) end

local function actorsOf(bytes, from)
  local actors = {}
  for at = from, #bytes, 8 do actors[#actors + 1] = sub(bytes, at, at + 7) end
  return actors
end

-- `command` on `key` with `items` as its arguments, a chunk at a time.
local function callWith(command, key, items)
  for from = 1, #items, CHUNK do
    call(command, key, unpack(items, from, min(from + CHUNK - 1, #items)))
  end
end

local CALLER, CALLER_EPOCH, OURS, OURS_LIST
do
  local given = ARGV[3]
  CALLER, CALLER_EPOCH = read('>c8d', given)
  OURS_LIST = actorsOf(given, 17)
  table.insert(OURS_LIST, 1, CALLER)
  OURS = {}
  for _, actor in ipairs(OURS_LIST) do OURS[actor] = true end
end

-- The partition's numbers -------------------------------------------------------------------

local now, epoch, epochStartedAt, seq, chain, live, tombstones, rootCount, rootHigh, rootLow
-- Entries in KEY_O, so that a loss of the key is noticed.
local ownerCount

local function clock(tmax)
  if ARGV[1] ~= '' then return max(tonumber(ARGV[1]), tmax) end
  local time = call('TIME')
  return max(time[1] * 1000 + floor(time[2] / 1000), tmax)
end

-- '' where the server does not tell: then only a partition without an epoch begins one.
local function replicationId()
  if ARGV[2] ~= '' then return ARGV[2] end
  local info = redis.pcall('INFO', 'replication')
  return type(info) == 'string' and string.match(info, 'master_replid:(%x+)') or ''
end

local function beginEpoch(number)
  epoch, epochStartedAt = number, now
  call('HSET', KEY_M, 'epoch', epoch, 'epochStartedAt', epochStartedAt)
end

local function begin()
  local m = call('HMGET', KEY_M, 'epoch', 'epochStartedAt', 'replid', 'seq', 'chain', 'tmax',
    'live', 'tombstones', 'count', 'high', 'low', 'owners')
  epoch, epochStartedAt = tonumber(m[1] or 0), tonumber(m[2] or 0)
  seq, chain = tonumber(m[4] or 0), m[5] or NO_CHAIN
  live, tombstones = tonumber(m[7] or 0), tonumber(m[8] or 0)
  rootCount, rootHigh, rootLow = tonumber(m[9] or 0), tonumber(m[10] or 0), tonumber(m[11] or 0)
  ownerCount = tonumber(m[12] or 0)
  now = clock(tonumber(m[6] or 0))
  local replid = replicationId()
  if epoch == 0 or (replid ~= (m[3] or '') and replid ~= '') then
    -- Without its numbers a partition means nothing; what was in it will be pushed again.
    if epoch == 0 then call('UNLINK', KEY_R, KEY_D, KEY_X, KEY_L, KEY_O) end
    local term = floor((now / 1000 - TERM_ORIGIN_S) / TERM_S)
    beginEpoch(max(epoch, min(CALLER_EPOCH, term + TERMS_AHEAD_MAX), term) + 1)
    call('HSET', KEY_M, 'replid', replid)
  end
end

local function state() return pack('>dddc16d', now, epoch, epochStartedAt, chain, seq) end

-- Owners ------------------------------------------------------------------------------------

local owners = {}

local function readOwner(bytes)
  local _, seen, batch, retiredAt, count, high, low = read('>BdddI4I4I4', bytes)
  return {
    seen = seen, batch = batch, retiredAt = retiredAt, count = count, high = high, low = low,
  }
end

-- `absent` while there is no entry.
local function owner(actor)
  local known = owners[actor]
  if known then return known end
  local bytes = call('HGET', KEY_O, hex(actor))
  known = bytes and readOwner(bytes) or
    { seen = 0, batch = 0, retiredAt = 0, count = 0, high = 0, low = 0, absent = true }
  owners[actor] = known
  return known
end

-- Every actor that has an entry.
local function allOwners()
  local actors, all = {}, call('HGETALL', KEY_O)
  for at = 1, #all, 2 do
    local high, low = tonumber(sub(all[at], 1, 8), 16), tonumber(sub(all[at], 9), 16)
    local actor = pack('>I4I4', high, low)
    owners[actor] = owners[actor] or readOwner(all[at + 1])
    actors[#actors + 1] = actor
  end
  return actors
end

-- To be stored, whatever it was before.
local function touched(actor)
  local entry = owner(actor)
  if entry.absent then ownerCount = ownerCount + 1 end
  entry.absent, entry.changed = nil, true
  return entry
end

local function dropOwner(actor)
  local entry = owner(actor)
  if entry.absent then return end
  ownerCount = ownerCount - 1
  entry.absent, entry.changed, entry.dropped = true, nil, true
end

local function seenOf(actor)
  local entry = owner(actor)
  if entry.retiredAt > 0 and entry.retiredAt >= epochStartedAt then return entry.seen end
  return max(entry.seen, epochStartedAt)
end

-- What the namespace lays down ----------------------------------------------------------------

local terms

local function readTerms(bytes)
  terms = {}
  terms.autonomyMs, terms.silenceMs, terms.slackMs, terms.horizonMs, terms.maxSkewMs,
    terms.logEntries, terms.policy = read('>ddddddB', bytes)
end

local function isSilent(actor) return now - seenOf(actor) > terms.silenceMs end

-- Records -------------------------------------------------------------------------------------
-- A record: siblings, context and ends in the order of storage; `held`, siblings by dot; `covered`,
-- context by actor. A sibling keeps its place in the bytes it came in (`from`, `to`); its value is
-- never taken out of them. Only `deadline` may differ from them; then it is `moved`.

local function readSibling(bytes, at, version)
  local actor, dotSeq, born, hlc = read('>c8dc16d', bytes, at)
  local rank = version == 2 and read('>d', bytes, at + 40) or hlc
  local deadline, ttlMs, flags, high, low, labelBytes, valueBytes, body =
    read('>ddBI4I4I4I4', bytes, version == 2 and at + 48 or at + 40)
  return {
    dot = sub(bytes, at, at + 15), actor = actor, seq = dotSeq, born = born, hlc = hlc, rank = rank,
    deadline = deadline, ttlMs = ttlMs, session = flags % 2 == 1, high = high, low = low,
    label = body, labelEnd = body + labelBytes - 1,
    bytes = bytes, version = version, from = at, to = body + labelBytes + valueBytes - 1,
  }
end

local function labelOf(sibling) return sub(sibling.bytes, sibling.label, sibling.labelEnd) end

-- nil: of a version that this script does not read.
local function readRecord(bytes)
  local version, _, bucket, siblingCount, contextCount, endCount, _, forgetAt =
    read('>BBHHHHHd', bytes)
  if version < 1 or version > 2 then return nil end
  local at = 21
  local context, covered = {}, {}
  for index = 1, contextCount do
    local actor, covers, keep
    actor, covers, keep, at = read('>c8dd', bytes, at)
    local entry = { actor = actor, seq = covers, keep = keep }
    context[index], covered[actor] = entry, entry
  end
  local siblings, held = {}, {}
  for index = 1, siblingCount do
    local sibling = readSibling(bytes, at, version)
    siblings[index], held[sibling.dot] = sibling, sibling
    at = sibling.to + 1
  end
  local ends = {}
  for index = 1, endCount do
    local born, dot, reason, flags, by, deadline, keep, labelBytes
    born, dot, reason, flags, by, deadline, keep, labelBytes, at =
      read('>c16c16BBc8ddI4', bytes, at)
    ends[index] = {
      born = born, dot = dot, reason = reason, by = by, told = flags % 2 == 1,
      conflict = flags >= 2, deadline = deadline, keep = keep, label = sub(bytes, at, at + labelBytes - 1),
    }
    at = at + labelBytes
  end
  return {
    siblings = siblings, held = held, context = context, covered = covered, ends = ends,
    bucket = bucket, forgetAt = forgetAt, bytes = bytes,
  }
end

local function writeSibling(sibling, version)
  local bytes, from = sibling.bytes, sibling.from
  if sibling.version == version and not sibling.moved then return sub(bytes, from, sibling.to) end
  local rank, rest = '', from + 48
  if sibling.version == 2 then rest = from + 56 end
  if version == 2 then rank = pack('>d', sibling.rank) end
  return concat({
    sub(bytes, from, from + 39), rank, pack('>d', sibling.deadline), sub(bytes, rest, sibling.to),
  })
end

local function writeEnding(ending)
  local flags = (ending.told and 1 or 0) + (ending.conflict and 2 or 0)
  return pack('>c16c16BBc8ddI4', ending.born, ending.dot, ending.reason, flags, ending.by,
    ending.deadline, ending.keep, #ending.label) .. ending.label
end

local function writeRecord(record, version)
  local siblings, context, ends = record.siblings, record.context, record.ends
  local parts = {
    pack('>BBHHHHHd', version, 0, record.bucket, #siblings, #context, #ends, 0, record.forgetAt),
  }
  for _, entry in ipairs(context) do
    parts[#parts + 1] = pack('>c8dd', entry.actor, entry.seq, entry.keep)
  end
  for _, sibling in ipairs(siblings) do parts[#parts + 1] = writeSibling(sibling, version) end
  for _, ending in ipairs(ends) do parts[#parts + 1] = writeEnding(ending) end
  return concat(parts)
end

local function covers(covered, sibling)
  local entry = covered[sibling.actor]
  return entry ~= nil and entry.seq >= sibling.seq
end

local function copyOf(source)
  local copy = {}
  for name, value in pairs(source) do copy[name] = value end
  return copy
end

-- Entries are copied, so that the record they come from stays what it is.
local function copyContext(context)
  local copy, covered = {}, {}
  for index, entry in ipairs(context) do
    local own = { actor = entry.actor, seq = entry.seq, keep = entry.keep }
    copy[index], covered[entry.actor] = own, own
  end
  return copy, covered
end

local function keepUntil(covered, actor, instant)
  local entry = covered[actor]
  if entry ~= nil and entry.keep < instant then entry.keep = instant end
end

-- What a sibling leaves behind.
local function endingOf(sibling, reason, by, conflict, told)
  return {
    born = sibling.born, dot = sibling.dot, reason = reason, told = told, conflict = conflict,
    by = by, deadline = sibling.deadline, keep = now + terms.horizonMs, label = labelOf(sibling),
  }
end

local function endingBefore(left, right) return dotBefore(left.born, right.born) end

local function endedAt(ends, born)
  for index, ending in ipairs(ends) do
    if ending.born == born then return index end
  end
end

-- A run has one ending: what was published stands, else the higher reason.
local function addEnding(ends, added)
  local at = endedAt(ends, added.born)
  if at == nil then
    ends[#ends + 1] = added
    return
  end
  local known = ends[at]
  local stands = (known.told or known.reason >= added.reason) and known or added
  ends[at] = {
    born = added.born, dot = added.dot, reason = stands.reason, by = stands.by,
    told = known.told or added.told, conflict = known.conflict or added.conflict,
    deadline = added.deadline, keep = max(known.keep, added.keep), label = added.label,
  }
end

local function lastsUntil(sibling)
  if not sibling.session then return sibling.deadline end
  return max(sibling.deadline, seenOf(sibling.actor) + min(sibling.ttlMs, terms.autonomyMs))
end

local function isDue(sibling)
  if sibling.deadline + terms.slackMs >= now then return false end
  return lastsUntil(sibling) + terms.slackMs < now and isSilent(sibling.actor)
end

-- The record without what silent owners left past its deadline; the same one where nothing is due.
local function endDue(record)
  local due = false
  for _, sibling in ipairs(record.siblings) do due = due or isDue(sibling) end
  if not due then return record end
  local siblings, held = {}, {}
  local context, covered = copyContext(record.context)
  local ends = { unpack(record.ends) }
  for _, sibling in ipairs(record.siblings) do
    if isDue(sibling) then
      addEnding(ends, endingOf(sibling, EXPIRED, CALLER, false, false))
      keepUntil(covered, sibling.actor,
        sibling.session and now + terms.horizonMs or sibling.deadline + terms.slackMs)
    else
      siblings[#siblings + 1], held[sibling.dot] = sibling, sibling
    end
  end
  if #ends > 1 then table.sort(ends, endingBefore) end
  return {
    siblings = siblings, held = held, context = context, covered = covered, ends = ends,
    bucket = record.bucket, forgetAt = record.forgetAt,
  }
end

-- Without endings past their horizon.
local function current(ends)
  if #ends == 0 then return ends end
  local left = {}
  for _, ending in ipairs(ends) do
    if ending.keep >= now then left[#left + 1] = ending end
  end
  return left
end

-- Too many endings: those that were told go first, then the oldest.
local function goesBefore(left, right)
  if left.told ~= right.told then return left.told end
  if left.keep ~= right.keep then return left.keep < right.keep end
  return endingBefore(left, right)
end

local function bound(ends)
  if #ends > ENDS_MAX then
    table.sort(ends, goesBefore)
    ends = { unpack(ends, #ends - ENDS_MAX + 1) }
  end
  if #ends > 1 then table.sort(ends, endingBefore) end
  return ends
end

local function siblingBefore(left, right)
  return before(left.actor, left.seq, right.actor, right.seq)
end

local function entryBefore(left, right) return actorBefore(left.actor, right.actor) end

-- What nobody can still refer to: its horizon is past, no value of that run is here, and its actor
-- is gone.
local function isForgettable(entry, actors)
  if entry.keep >= now or actors[entry.actor] then return false end
  local by = owner(entry.actor)
  return by.absent or by.retiredAt > 0 or isSilent(entry.actor)
end

-- Makes a changed record what is stored: bounded, in order, with its horizon.
local function finish(record)
  record.ends = bound(current(record.ends))
  local siblings, context = record.siblings, record.context
  if #siblings > 1 then table.sort(siblings, siblingBefore) end
  if #siblings > 0 then
    local actors, left = {}, {}
    for _, sibling in ipairs(siblings) do actors[sibling.actor] = true end
    for _, entry in ipairs(context) do
      if not isForgettable(entry, actors) then left[#left + 1] = entry end
    end
    context = left
  end
  if #context > 1 then table.sort(context, entryBefore) end
  record.context, record.forgetAt = context, 0
  if #siblings == 0 then
    local forgetAt = now
    for _, entry in ipairs(context) do forgetAt = max(forgetAt, entry.keep) end
    for _, ending in ipairs(record.ends) do forgetAt = max(forgetAt, ending.keep) end
    record.forgetAt = forgetAt
  end
  return record
end

-- By index; false where there is none.
local function recordsOf(ids)
  local found = {}
  for from = 1, #ids, CHUNK do
    local part = call('HMGET', KEY_R, unpack(ids, from, min(from + CHUNK - 1, #ids)))
    for _, bytes in ipairs(part) do found[#found + 1] = bytes end
  end
  return found
end

-- Where a cursor stands in the history ----------------------------------------------------------

local CURRENT, BEHIND, GAP, DIVERGED = 0, 1, 2, 3

local function entryAt(from)
  local entry = call('XRANGE', KEY_L, from, '+', 'COUNT', 1)[1]
  if entry then return tonumber(string.match(entry[1], '^%d+')), entry[2][4] end
end

-- The sequence number tells nothing alone: after a rollback it is reached again by other changes.
local function standing(cursorSeq, cursorChain)
  if cursorSeq == 0 then cursorChain = NO_CHAIN end
  if cursorSeq > seq then return DIVERGED end
  if cursorSeq == seq then return cursorChain == chain and CURRENT or DIVERGED end
  if cursorSeq == 0 then return entryAt('-') == 1 and BEHIND or GAP end
  local found, foundChain = entryAt(format('%.0f-0', cursorSeq))
  if found ~= cursorSeq then return GAP end
  return foundChain == cursorChain and BEHIND or DIVERGED
end

-- Storing -------------------------------------------------------------------------------------
-- Gathered, and written when everything has been decided: an error leaves nothing half done.

local stored, scores, order, cells, logged = {}, {}, {}, {}, {}

local function count(record, step)
  if #record.siblings > 0 then live = live + step else tombstones = tombstones + step end
end

local function add(sibling, bucket, step)
  local cell = cells[bucket]
  if cell == nil then
    cell = { 0, 0, 0 }
    cells[bucket] = cell
  end
  local high, low = step * sibling.high, step * sibling.low
  cell[1], cell[2], cell[3] = cell[1] + step, cell[2] + high, cell[3] + low
  rootCount = rootCount + step
  rootHigh, rootLow = (rootHigh + high) % TWO_32, (rootLow + low) % TWO_32
  local by = touched(sibling.actor)
  by.count, by.high, by.low = by.count + step, (by.high + high) % TWO_32, (by.low + low) % TWO_32
end

-- `bytes` nil: nothing is left of it.
local function put(id, previous, record, bytes)
  if previous then count(previous, -1) end
  if bytes then count(record, 1) end
  if stored[id] == nil then order[#order + 1] = id end
  stored[id] = bytes or false
end

-- The record becomes `record`; `bytes` as for `put`. Digests and log follow.
local function change(id, previous, record, bytes)
  local held = previous and previous.held or EMPTY
  local high, low, stays = 0, 0, {}
  for _, sibling in ipairs(record.siblings) do
    high, low = (high + sibling.high) % TWO_32, (low + sibling.low) % TWO_32
    if held[sibling.dot] then stays[sibling.dot] = true else add(sibling, record.bucket, 1) end
  end
  if previous then
    for _, sibling in ipairs(previous.siblings) do
      if not stays[sibling.dot] then add(sibling, record.bucket, -1) end
    end
  end
  put(id, previous, record, bytes)
  seq = seq + 1
  chain = sub(redis.sha1hex(concat({ chain, id, format('%08x%08x', high, low) })), 1, 16)
  logged[#logged + 1] = { id, chain }
end

-- From the first of `buckets` to the last at once; they are in order.
local function writeCellsOf(buckets)
  local from = 12 * buckets[1]
  local size = 12 * buckets[#buckets] + 12 - from
  local bytes = call('GETRANGE', KEY_D, from, from + size - 1)
  bytes = bytes .. rep('\0', size - #bytes)
  local parts, at = {}, 1
  for _, bucket in ipairs(buckets) do
    local offset = 12 * bucket - from
    local cell = cells[bucket]
    local amount, high, low = read('>I4I4I4', bytes, offset + 1)
    parts[#parts + 1] = sub(bytes, at, offset)
    parts[#parts + 1] =
      pack('>I4I4I4', amount + cell[1], (high + cell[2]) % TWO_32, (low + cell[3]) % TWO_32)
    at = offset + 13
  end
  call('SETRANGE', KEY_D, from, concat(parts))
end

local function writeCells()
  local buckets = {}
  for bucket in pairs(cells) do buckets[#buckets + 1] = bucket end
  if #buckets > CELLS_APART_MAX then
    table.sort(buckets)
    writeCellsOf(buckets)
  else
    for _, bucket in ipairs(buckets) do writeCellsOf({ bucket }) end
  end
end

local function writeRecords()
  local sets, due, gone = {}, {}, {}
  for _, id in ipairs(order) do
    local bytes = stored[id]
    if bytes then
      sets[#sets + 1], sets[#sets + 2] = id, bytes
    else
      gone[#gone + 1] = id
    end
  end
  for id, score in pairs(scores) do
    if stored[id] ~= false then due[#due + 1], due[#due + 2] = score, id end
  end
  callWith('HSET', KEY_R, sets)
  callWith('ZADD', KEY_X, due)
  callWith('HDEL', KEY_R, gone)
  callWith('ZREM', KEY_X, gone)
end

local function writeOwners()
  local items, dropped = {}, {}
  for actor, by in pairs(owners) do
    if by.dropped then
      dropped[#dropped + 1] = hex(actor)
    elseif by.changed then
      items[#items + 1] = hex(actor)
      items[#items + 1] =
        pack('>BdddI4I4I4', 1, by.seen, by.batch, by.retiredAt, by.count, by.high, by.low)
    end
  end
  callWith('HSET', KEY_O, items)
  callWith('HDEL', KEY_O, dropped)
end

-- Last of all.
local function commit()
  local first = seq - #logged
  local logEntries = terms and format('%.0f', terms.logEntries)
  for index, entry in ipairs(logged) do
    call('XADD', KEY_L, 'MAXLEN', '~', logEntries, format('%.0f-0', first + index),
      'i', entry[1], 'c', entry[2])
  end
  writeCells()
  writeRecords()
  writeOwners()
  call('HSET', KEY_M, 'tmax', now, 'seq', seq, 'chain', chain,
    'live', live, 'tombstones', tombstones, 'owners', ownerCount,
    'count', rootCount, 'high', rootHigh, 'low', rootLow)
end
