import { runCells } from "./cells.ts";

runCells("2025-03-26");
