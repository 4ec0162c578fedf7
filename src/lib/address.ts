/** Names that only mean something inside a network: loopback, mDNS (RFC 6762), RFC 8375, and what clouds and offices use. */
const PRIVATE_SUFFIXES = ["localhost", "local", "internal", "intranet", "lan", "home", "corp", "private", "arpa", "localdomain"] as const;

/** Public names that answer with whatever address is written in them, or with loopback. */
const ECHO_SUFFIXES = ["nip.io", "sslip.io", "xip.io", "localtest.me", "lvh.me", "vcap.me", "lacolhost.com"] as const;

/** IANA special-purpose IPv4 blocks (RFC 6890 and its registry), multicast, reserved, and the Azure host address. */
const CLOSED_V4: readonly (readonly [string, number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["168.63.129.16", 32],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3],
];

/**
 * Why a host may not be called, or null. `host` is `URL.hostname` (lower case, IPv4 in dotted form, IPv6 in brackets).
 * Not checked: what a public name resolves to. Workers cannot pin DNS.
 */
export function hostRefusal(host: string): string | null {
  if (host.startsWith("[")) return v6Refusal(host.slice(1, -1));
  if (isV4(host)) return closedV4(numberOf(host)) ? "is a private or reserved address" : null;
  if (host.endsWith(".")) return "ends with a dot";
  if (!host.includes(".")) return "is not a full domain name";
  if (PRIVATE_SUFFIXES.some((suffix) => host.endsWith(`.${suffix}`))) return "is a private name";
  if (ECHO_SUFFIXES.some((suffix) => host === suffix || host.endsWith(`.${suffix}`))) return "is a name for private addresses";
  return null;
}

function isV4(host: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(host);
}

function numberOf(dotted: string): number {
  return dotted.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}

function closedV4(address: number): boolean {
  return CLOSED_V4.some(([block, bits]) => Math.floor(address / 2 ** (32 - bits)) === Math.floor(numberOf(block) / 2 ** (32 - bits)));
}

/**
 * Only global unicast (2000::/3) is open, less its special blocks: 2001::/23 (Teredo, ORCHID, benchmarks), 6to4 and
 * documentation. Mapped, compatible, NAT64, unique local, link and site local, loopback and multicast lie outside.
 */
function v6Refusal(address: string): string | null {
  const [first = 0, second = 0] = hextets(address);
  if (first >>> 13 !== 1) return "is a private or reserved address";
  if (first === 0x2001 && (second < 0x200 || second === 0xdb8)) return "is a reserved address";
  if (first === 0x2002) return "is a 6to4 address";
  if (first === 0x3fff && second < 0x1000) return "is a documentation address";
  return null;
}

/** The leading groups of an address as `URL` writes it: no embedded IPv4, at most one `::`. */
function hextets(address: string): number[] {
  const head = address.split("::")[0] ?? "";
  return head === "" ? [] : head.split(":").map((group) => parseInt(group, 16));
}
