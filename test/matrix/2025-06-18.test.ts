import { runCells } from "./cells.ts";

runCells("2025-06-18");
