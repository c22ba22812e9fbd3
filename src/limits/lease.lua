-- One exchange of a sidecar with the authority: see authority.ts, whose MemoryAuthority does the same.
--
-- KEYS  1 sidecars at work: zset of names by when they expire (Unix ms)
--       2 when a sidecar last ended (Unix ms): leases written before may be a dead one's
--       3 this sidecar: hash of sequence (the last batch counted) and turn (the last call)
--       4… one meter each: hash of s (spent), l (on lease to all), x (when dead leases were last removed),
--         l:<sidecar> (on lease to one), a:<threshold> (who told that alert)
-- ARGV  name, sequence, turn, lease in ms, grace in ms, memory of a sidecar in ms, leaving (0 or 1);
--       then for each meter: capacity, spent, hold, need, want, end (Unix ms; -1 never; 0 none),
--       number of alerts, and for each of these its threshold and its amount
-- Gives now (Unix ms), live, known, and for each meter {lease, spent, leased, alerts…}, or {-1} for what is no meter
local name = ARGV[1]
local sequence, turn = tonumber(ARGV[2]), tonumber(ARGV[3])
local lease_ms, grace_ms, memory_ms = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local leaving = ARGV[7] == '1'

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

-- Lua writes 1e15 as such; Redis wants digits.
local function digits(number)
  return string.format('%.0f', number)
end

local ended = redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', digits(now))
local known = redis.call('ZSCORE', KEYS[1], name) and 1 or 0
local said = redis.call('HMGET', KEYS[3], 'sequence', 'turn')
local stale = turn < (tonumber(said[2]) or 0)
local fresh = not stale and sequence > (tonumber(said[1]) or 0)
if leaving then
  ended = ended + redis.call('ZREM', KEYS[1], name) + 1
elseif not stale and turn < 9007199254740991 then
  redis.call('ZADD', KEYS[1], digits(now + lease_ms), name)
end
if ended > 0 then
  redis.call('SET', KEYS[2], digits(now), 'PX', digits(memory_ms))
end
local last_end = tonumber(redis.call('GET', KEYS[2])) or 0
local live = math.max(1, redis.call('ZCARD', KEYS[1]))
local own_field = 'l:' .. name

-- What a meter's other sidecars have on lease, once the dead ones' leases are gone.
local function others_alive(key)
  local fields = redis.call('HGETALL', key)
  local sum = 0
  for i = 1, #fields, 2 do
    local other = string.match(fields[i], '^l:(.+)$')
    if other and other ~= name then
      if redis.call('ZSCORE', KEYS[1], other) then
        sum = sum + (tonumber(fields[i + 1]) or 0)
      else
        redis.call('HDEL', key, fields[i])
      end
    end
  end
  return sum
end

local function lease_for(hold, need, want, free)
  local kept = math.min(hold, math.max(0, free))
  local left = free - kept
  if want <= 0 or left <= 0 then
    return kept
  end
  local part = math.floor(left / (2 * live))
  return kept + math.min(left, want, math.max(need, part))
end

local answer = { now, live, known }
local at = 8
-- Every meter is read before any is written, so that one that cannot be read leaves no batch half counted.
local meters = {}
for i = 4, #KEYS do
  local meter = { key = KEYS[i], alerts = {} }
  meter.capacity, meter.delta = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  meter.hold, meter.need, meter.want = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
  meter.ends = tonumber(ARGV[at + 5])
  local count = tonumber(ARGV[at + 6])
  at = at + 7
  for j = 1, count do
    meter.alerts[j] = { threshold = ARGV[at], amount = tonumber(ARGV[at + 1]) }
    at = at + 2
  end
  meter.read = redis.pcall('HMGET', meter.key, 's', 'l', 'x', own_field)
  meters[#meters + 1] = meter
end

if not stale then
  redis.call('HSET', KEYS[3], 'turn', digits(turn))
  if fresh then
    redis.call('HSET', KEYS[3], 'sequence', digits(sequence))
  end
  redis.call('PEXPIRE', KEYS[3], digits(memory_ms))
end

for _, meter in ipairs(meters) do
  local key, read = meter.key, meter.read
  if read.err then
    answer[#answer + 1] = { -1 }
  else
    local before = tonumber(read[1]) or 0
    local spent, own = before, tonumber(read[4]) or 0
    if fresh then
      spent = spent + meter.delta
    end
    local others = math.max(0, (tonumber(read[2]) or 0) - own)
    local scanned
    -- Once for each meter after a sidecar's end: the dead one's leases are spread over meters that nobody lists.
    if others > 0 and (tonumber(read[3]) or 0) <= last_end then
      others = others_alive(key)
      scanned = now
    end
    local lease = own
    if not stale then
      lease = leaving and 0 or lease_for(meter.hold, meter.need, meter.want, meter.capacity - spent - others)
    end
    local leased = others + lease
    local told = {}
    if meter.delta > 0 then
      local claim = name .. ':' .. digits(sequence)
      for j, alert in ipairs(meter.alerts) do
        if spent >= alert.amount then
          local field = 'a:' .. alert.threshold
          if redis.call('HSETNX', key, field, claim) == 1 or redis.call('HGET', key, field) == claim then
            told[#told + 1] = j - 1
          end
        end
      end
    end
    if spent == 0 and leased == 0 and #told == 0 then
      redis.call('DEL', key)
    else
      redis.call('HSET', key, 's', digits(spent), 'l', digits(leased))
      if lease > 0 then
        redis.call('HSET', key, own_field, digits(lease))
      elseif own > 0 then
        redis.call('HDEL', key, own_field)
      end
      if scanned then
        redis.call('HSET', key, 'x', digits(scanned))
      end
      if meter.ends >= 0 then
        redis.call('PEXPIREAT', key, digits(math.max(meter.ends, now) + grace_ms))
      end
    end
    local standing = { lease, spent, leased }
    for _, index in ipairs(told) do
      standing[#standing + 1] = index
    end
    answer[#answer + 1] = standing
  end
end
return answer
