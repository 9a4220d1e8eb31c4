CREATE TABLE IF NOT EXISTS accounts (
    name text PRIMARY KEY,
    cents bigint NOT NULL CHECK (cents >= 0)
);
CREATE TABLE IF NOT EXISTS transfers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payer text NOT NULL REFERENCES accounts,
    payee text NOT NULL REFERENCES accounts,
    cents bigint NOT NULL CHECK (cents > 0),
    settled_at timestamptz
);
CREATE TABLE IF NOT EXISTS balances (
    account text REFERENCES accounts,
    noted_at timestamptz,
    cents bigint NOT NULL,
    PRIMARY KEY (account, noted_at)
);
INSERT INTO accounts (name, cents) VALUES ('ada', 10000), ('bob', 0) ON CONFLICT DO NOTHING;
