-- Customers whose calls are refused for the time being: for money, not by their keys. No row: none.
CREATE TABLE customer_holds (
    customer_id BIGINT PRIMARY KEY,
    reason TEXT NOT NULL,
    held_at BIGINT NOT NULL
);
