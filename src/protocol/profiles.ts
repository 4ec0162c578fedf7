/**
 * What is known of a client that it does not say itself. Applied by the name it gives, so that it works better; never for anything that
 * matters to security, because anyone can give any name.
 */
export interface ClientProfile {
  /** Longest tool name it can use, in characters: its own limit less room for the name of the server, which it puts in front. */
  nameChars?: number;
  /** It reads the first page of a list and no other. */
  onePage?: true;
  /** It shows the `content` of a result and nothing of its `structuredContent`. */
  contentOnly?: true;
  /** It gives up on a request after so many ms, whatever it hears meanwhile, and its users cannot change that. */
  patienceMs?: number;
  /** Its `MCP-Protocol-Version` may still name a legacy revision when its message says the modern one. */
  staleVersion?: true;
}

export interface KnownClient {
  client: string;
  /** `clientInfo.name`, without regard to case. */
  names: readonly string[];
  profile: ClientProfile;
}

/** The known clients; a new one is a row here and in docs/clients.md. */
export const KNOWN_CLIENTS: readonly KnownClient[] = [
  // Server and tool together below 60, else the tool is filtered out (ComposioHQ/composio#2788).
  { client: "Cursor", names: ["cursor", "cursor-vscode"], profile: { nameChars: 40 } },
  // `mcp__{server}__{tool}` within 64 (sparfenyuk/mcp-proxy#45, anthropics/claude-code#19882); first page only (#23179); version header (#93290).
  { client: "Claude Code", names: ["claude-code"], profile: { nameChars: 44, onePage: true, staleVersion: true } },
  // Its connector is the one that mixes versions (anthropics/claude-code#93290).
  { client: "Claude on the web", names: ["Anthropic/ClaudeAI"], profile: { nameChars: 44, staleVersion: true } },
  // 60 s, fixed (anthropics/claude-code#22542); no output without content (seuros/action_mcp#181).
  { client: "Claude Desktop", names: ["claude-ai"], profile: { nameChars: 44, staleVersion: true, contentOnly: true, patienceMs: 60_000 } },
  // Hides what is only in structuredContent (sparfenyuk/mcp-proxy#196).
  { client: "Codex", names: ["codex", "codex-mcp-client"], profile: { contentOnly: true } },
  // First page only (github/copilot-cli#4006).
  { client: "GitHub Copilot CLI", names: ["copilot-cli", "github-copilot-developer"], profile: { onePage: true } },
];

const BY_NAME: ReadonlyMap<string, ClientProfile> = new Map(KNOWN_CLIENTS.flatMap(({ names, profile }) => names.map((name) => [name.toLowerCase(), profile] as const)));

/** Of a client nobody knows anything. */
export const UNKNOWN_CLIENT: ClientProfile = Object.freeze({});

export function profileOf(client: { name: string } | null): ClientProfile {
  return (client && BY_NAME.get(client.name.toLowerCase())) ?? UNKNOWN_CLIENT;
}
