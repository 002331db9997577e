// Made from openapi.yaml by cli/generate.ts. Do not edit: change the routes of the server, then `npm run generate`.

import type { CommandOperation } from '../command-table.ts'

/** Every operation of the document as a command. */
export const COMMANDS = [
  {
    "operation": "sign",
    "word": "sign",
    "summary": "Sign packages",
    "description": "Signs one package file, or every package of a directory in name order, that the server can read; a file that is sent; or digests, for clients whose policy allows it. With `Accept: application/x-ndjson` the outcomes of a directory arrive as files finish, one event a line.",
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
    "operation": "getSignature",
    "word": "signatures",
    "summary": "Get a signature",
    "description": "Answers with a signature that was made for this client.",
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
    "description": "Answers with the same signature as a file: the signature file, the raw signature, the block to append to the package, or the script for the Digital Signature Catalog.",
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
        "description": "`record`: signature file; `sig`: raw bytes; `dsb`: Digital Signature Block to append; `dsc`: shell script for the Digital Signature Catalog.",
        "choices": [
          "record",
          "sig",
          "dsb",
          "dsc"
        ]
      }
    ]
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
    "description": "Answers with who the server takes this client for, and what it may do. Every listed client may ask.",
    "arguments": [],
    "flags": []
  },
] as const satisfies readonly CommandOperation[]
