"""Operations of the API in the database: performed by the functions that the routes call, shown by their schemas."""
