// Made from openapi.yaml by cli/generate.ts. Do not edit: change the routes of the server, then `npm run generate`.

import type { CommandOperation } from '../command-table.ts'

/** Every operation of the document as a command. */
export const COMMANDS = [
  {
    "operation": "sign",
    "word": "sign",
    "summary": "Sign packages",
    "description": "Signs one package file, or every package of a directory in name order, that the server can read; a file that is sent; digests, for clients whose policy allows it; or once more what an earlier signature covers. With `Accept: application/x-ndjson` the outcomes of a directory arrive as files finish, one event a line.",
    "arguments": [
      {
        "name": "path",
        "type": "string",
        "required": true,
        "description": "Absolute path of a file or directory that the server can read, inside a root this client may use."
      }
    ],
    "flags": [
      {
        "name": "keyid",
        "type": "string",
        "required": false,
        "description": "Identifier of the key that checks the record: `dsc_key.id` on AIX, one to ten decimal digits."
      },
      {
        "name": "recursive",
        "type": "boolean",
        "required": false,
        "description": "Descend into subdirectories; names are then relative to `path`."
      },
      {
        "name": "force",
        "type": "boolean",
        "required": false,
        "description": "Sign again even where the same content was signed by this key before."
      },
      {
        "name": "resign",
        "type": "boolean",
        "required": false,
        "description": "Sign other content under a fileset level that was signed before; only for clients whose policy allows it."
      }
    ]
  },
  {
    "operation": "listFiles",
    "word": "files",
    "summary": "List files",
    "description": "Lists a directory in name order, a page at a time; a path to a file lists that file; without a path the roots of this client by name.",
    "arguments": [
      {
        "name": "path",
        "type": "string",
        "required": false,
        "description": "A directory or a file; without it the roots of this client by name."
      }
    ],
    "flags": [
      {
        "name": "limit",
        "type": "integer",
        "required": false,
        "description": "How many entries to answer with at the most."
      },
      {
        "name": "cursor",
        "type": "string",
        "required": false,
        "description": "`nextCursor` of the answer before."
      }
    ]
  },
  {
    "operation": "verify",
    "word": "verify",
    "summary": "Verify a signature",
    "description": "Says whether a signature over a file (by path, by digest, or sent, whatever it is) is valid, and if not, why. Without a signature in the request the Digital Signature Block in the file is meant, else the catalogue.",
    "arguments": [
      {
        "name": "path",
        "type": "string",
        "required": true,
        "description": ""
      }
    ],
    "flags": []
  },
  {
    "operation": "findSignatures",
    "word": "signatures",
    "summary": "Find signatures",
    "description": "Answers with the signatures that fit everything the query names, the newest first: those that were made for this client or handed to it, or everybody's where the policy says so. With `Accept: application/x-ndjson` not a page but all of them, one a line.",
    "arguments": [],
    "flags": [
      {
        "name": "package",
        "type": "string",
        "required": false,
        "description": "Package name, exactly."
      },
      {
        "name": "fileset",
        "type": "string",
        "required": false,
        "description": "Fileset name, exactly."
      },
      {
        "name": "vrmf",
        "type": "string",
        "required": false,
        "description": "Version.release.modification.fix, exactly; with `fileset` of the same record."
      },
      {
        "name": "sha256",
        "type": "string",
        "required": false,
        "description": "SHA-256 of the signed bytes."
      },
      {
        "name": "keyid",
        "type": "string",
        "required": false,
        "description": "Identifier of the key that checks the record: `dsc_key.id` on AIX, one to ten decimal digits."
      },
      {
        "name": "client",
        "type": "string",
        "required": false,
        "description": "Name of the client it was made for."
      },
      {
        "name": "format",
        "type": "string",
        "required": false,
        "description": "What the file is by its content: `installp` package image, `compress` (interim fixes, `.epkg.Z`), `rpm`, …",
        "choices": [
          "installp",
          "compress",
          "rpm",
          "tar",
          "gzip",
          "zip",
          "xz",
          "other"
        ]
      },
      {
        "name": "form",
        "type": "string",
        "required": false,
        "description": "`record`: signatures with records of an installp package; `sig`: detached ones.",
        "choices": [
          "record",
          "sig"
        ]
      },
      {
        "name": "since",
        "type": "string",
        "required": false,
        "description": "Signed at this time or later, RFC 3339."
      },
      {
        "name": "until",
        "type": "string",
        "required": false,
        "description": "Signed before this time, RFC 3339."
      },
      {
        "name": "limit",
        "type": "integer",
        "required": false,
        "description": "How many to answer with at the most, 100 without it; of an NDJSON answer how many in all, and all without it."
      },
      {
        "name": "cursor",
        "type": "string",
        "required": false,
        "description": "`nextCursor` of the answer before."
      }
    ]
  },
  {
    "operation": "getSignature",
    "word": "signatures",
    "summary": "Get a signature",
    "description": "Answers with a signature that was made for this client, or handed to it when it asked for the same.",
    "arguments": [
      {
        "name": "id",
        "type": "string",
        "required": true,
        "description": "The `id` of the signature."
      }
    ],
    "flags": []
  },
  {
    "operation": "exportSignature",
    "word": "export",
    "summary": "Export a signature",
    "description": "Answers with the same signature as a file: the signature file, the raw signature, the block to append to the package, or the script for the Digital Signature Catalog; or with the proof that it stands in the tamper-evident log.",
    "arguments": [
      {
        "name": "id",
        "type": "string",
        "required": true,
        "description": "The `id` of the signature."
      }
    ],
    "flags": [
      {
        "name": "form",
        "type": "string",
        "required": true,
        "description": "A `SignatureForm`, or `proof`: that the signature stands in the tamper-evident log (C2SP tlog-proof).",
        "choices": [
          "record",
          "sig",
          "dsb",
          "dsc",
          "proof"
        ]
      }
    ]
  },
  {
    "operation": "getCheckpoint",
    "word": "log checkpoint",
    "summary": "Get the checkpoint",
    "description": "Answers with the newest state of the log: origin, number of entries and root of the tree, signed by the key of the log (C2SP tlog-checkpoint).",
    "arguments": [],
    "flags": []
  },
  {
    "operation": "getTile",
    "word": "log tile",
    "summary": "Get a tile of the log",
    "description": "Answers with hashes of the tree, 32 bytes each, or with entries, each behind its length in 16 bits, big-endian (C2SP tlog-tiles). What it answers for a path never changes.",
    "arguments": [
      {
        "name": "tile",
        "type": "string",
        "required": true,
        "description": "`<L>/<N>` for a tile of 256 hashes, `entries/<N>` for a bundle of 256 entries, behind a partial one `.p/<W>`: as C2SP tlog-tiles writes it. A path of several segments: its slashes may stand as they are or as `%2F`."
      }
    ],
    "flags": []
  },
  {
    "operation": "getLogKey",
    "word": "log key",
    "summary": "Get the key of the log",
    "description": "Answers with the key that verifies the checkpoints of the log, in one line: `NAME+KEYID+BASE64` (C2SP signed-note). Whoever does not trust the server gets it from somewhere else, or once and keeps it.",
    "arguments": [],
    "flags": []
  },
  {
    "operation": "auditLog",
    "word": "log audit",
    "summary": "Audit the log",
    "description": "Compares every row of the database with what the server wrote, and answers with what is not the same. Takes a while, and runs once at a time. The word of the server about itself: who does not trust it rebuilds the tree from the tiles.",
    "arguments": [],
    "flags": []
  },
  {
    "operation": "listKeys",
    "word": "keys",
    "summary": "List keys",
    "description": "Answers with the public part of every key this client may use.",
    "arguments": [],
    "flags": []
  },
  {
    "operation": "getKey",
    "word": "keys",
    "summary": "Get a key",
    "description": "Answers with the public part of one key.",
    "arguments": [
      {
        "name": "keyid",
        "type": "string",
        "required": true,
        "description": "Identifier of the key that checks the record: `dsc_key.id` on AIX, one to ten decimal digits."
      }
    ],
    "flags": []
  },
  {
    "operation": "exportKey",
    "word": "keys",
    "summary": "Export a key",
    "description": "Answers with the public part of one key as a file to install on the targets.",
    "arguments": [
      {
        "name": "keyid",
        "type": "string",
        "required": true,
        "description": "Identifier of the key that checks the record: `dsc_key.id` on AIX, one to ten decimal digits."
      }
    ],
    "flags": [
      {
        "name": "form",
        "type": "string",
        "required": true,
        "description": "`public.pem`: SubjectPublicKeyInfo; `certificate.pem`: a certificate, where the configuration names one.",
        "choices": [
          "public.pem",
          "certificate.pem"
        ]
      }
    ]
  },
  {
    "operation": "whoami",
    "word": "whoami",
    "summary": "Who am I",
    "description": "Answers with who the server takes this client for, what it may do, and what is left of its limits. Every listed client may ask.",
    "arguments": [],
    "flags": []
  },
] as const satisfies readonly CommandOperation[]
