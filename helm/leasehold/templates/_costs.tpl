{{- /* Written by `npm run docs` from src/config: what _memory.tpl reckons with. */ -}}
{{- define "leasehold.costs" -}}
{
  "each": {
    "entries": 105,
    "leases, live and remembered": 149,
    "bytes of keys and values": 1.25,
    "copies of others’ entries": 254,
    "what the ledger knows of entries": 23,
    "bytes of copies": 1.25,
    "rounding of cells": 18,
    "tombstones": 400,
    "details of remembered leases": 96,
    "remembered replies": 1.5,
    "feed": 1,
    "index of the feed": 28,
    "request bodies in flight": 1,
    "connections": 16384,
    "watchers": 65536,
    "requests to the ledger": 131072,
    "keys asked of the ledger": 4096,
    "writes waiting for the ledger": 512,
    "endings for the bus": 1.01,
    "index of those endings": 36,
    "index of those events": 36,
    "acknowledged endings, kept": 1.375,
    "values in those messages": 2.6666666666666665,
    "refusals held back": 3584,
    "callers counted": 256
  },
  "fixedBytes": 316407808,
  "fixedBusBytes": 1048576,
  "copiesMin": 1000,
  "tombstonesMin": 10000,
  "poolRowsMax": 100000000,
  "poolBytesMax": 17179869184,
  "endingsPerLive": 1.25,
  "endingBytes": 320,
  "telemetry": {
    "fixedBytes": 31211520,
    "spanBytes": 5120,
    "linkBytes": 384,
    "logRecordBytes": 7168,
    "linksMax": 128,
    "queue": {
      "size": 2048,
      "batch": 512
    }
  },
  "eventBytesWithout": 1.01,
  "eventBytesWithValues": 2,
  "messageBytes": 5120,
  "messageBytesPerKeyByte": 12,
  "defaults": {
    "limits": {
      "namespaces": 64,
      "valueBytes": 1048576,
      "keyBytes": 512,
      "bodyBytes": 4194304,
      "inFlightBodyBytes": 67108864,
      "headerBytes": 16384,
      "connections": 12000,
      "requestsInFlight": {
        "renew": 4096,
        "read": 4096,
        "put": 4096,
        "grant": 2048,
        "list": 64
      },
      "pageItems": 1000,
      "batchOperations": 1000,
      "renewIds": 10000,
      "watchers": 256,
      "siblings": 8,
      "idempotency": {
        "entries": 100000,
        "bytes": 16777216,
        "ttlMs": 300000
      },
      "endedMemory": {
        "entries": 100000,
        "ttlMs": 600000
      },
      "feed": {
        "facts": 65536,
        "bytes": 33554432,
        "ageMs": 300000
      },
      "outbox": {
        "events": 65536,
        "eventBytes": 16777216,
        "keptBytes": 16777216
      }
    },
    "ledger": {
      "requestsInFlight": 32,
      "readThroughs": 1024,
      "waiters": 10000
    },
    "bus": {
      "window": 1024
    },
    "admission": {
      "heldRefusals": 12000
    },
    "callerQuota": {
      "callers": 4096
    },
    "namespace": {
      "capacity": {
        "leases": 100000,
        "entries": 100000,
        "bytes": 67108864,
        "eviction": "refuse"
      },
      "mirror": "none",
      "events": {
        "values": "none"
      },
      "reconstitute": {
        "concurrency": 16
      }
    }
  }
}
{{- end -}}
